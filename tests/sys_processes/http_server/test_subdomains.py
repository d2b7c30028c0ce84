"""Labels of hosts, and whom they stand for."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.address import PackageId, ProcessId
from sys_processes.http_server.origins import Authority
from sys_processes.http_server.subdomains import (
    Subdomain,
    Subdomains,
    digest_label,
    first_label,
    is_subdomain,
    package_label,
)

CHESS = ProcessId("chess", "chess", "nectar")


def test_the_label_of_a_process_is_the_beginning_of_its_digest() -> None:
    """C-094."""
    assert digest_label(CHESS) == hashlib.sha256(b"chess:chess:nectar").hexdigest()[:32]


@pytest.mark.parametrize(
    ("package", "label"),
    [("chess:nectar", "chess-nectar"), ("my_app.x:Bob.uq", "my-app-x-bob-uq"), ("a-b:c", "a-b-c")],
)
def test_the_label_of_a_package_has_letters_digits_and_dashes(package: str, label: str) -> None:
    """C-094."""
    assert package_label(PackageId.from_str(package)) == label


@pytest.mark.parametrize(
    ("host", "label"),
    [("A.localhost:8080", "a"), ("localhost", None), ("localhost:8080", None), ("", None), (None, None)],
)
def test_a_host_of_one_label_has_no_subdomain(host: str | None, label: str | None) -> None:
    assert first_label(host) == label


def test_a_host_stands_for_nobody_until_somebody_claims_it() -> None:
    known = Subdomains()
    host = f"{digest_label(CHESS)}.localhost:8080"
    assert known.of(host) is None
    known.claim(CHESS)
    assert known.of(host.upper()) == Subdomain(CHESS.package_id, CHESS)
    assert known.of("chess-nectar.example") == Subdomain(CHESS.package_id, None)
    assert known.of("chess-nectar") is known.of(None) is known.of("go-nectar.example") is None


def test_a_label_goes_on_standing_for_a_process_that_ended() -> None:
    known = Subdomains()
    known.claim(CHESS)
    known.rest(CHESS)
    assert known.of(f"{digest_label(CHESS)}.localhost") is not None


def test_of_processes_that_do_not_come_back_only_the_last_are_remembered() -> None:
    known = Subdomains()
    known.rest(CHESS)
    processes = [ProcessId(f"p{number}", "chess", "nectar") for number in range(1002)]
    for process in processes:
        known.claim(process)
        known.rest(process)
    known.claim(CHESS)
    hosts = [f"{digest_label(process)}.localhost" for process in (*processes, CHESS)]
    assert [known.of(host) is None for host in hosts] == [True, True] + [False] * 1001


def test_a_label_that_two_packages_share_is_that_of_the_first() -> None:
    """C-094: otherwise a package could choose its name to read another one's cookies."""
    first, second = ProcessId("p", "a.b", "c"), ProcessId("p", "a", "b.c")
    known = Subdomains()
    known.claim(first)
    known.claim(second)
    shared = known.of("a-b-c.example")
    assert shared is not None
    assert (shared.serves(first), shared.serves(second)) == (True, False)
    own = known.of(f"{digest_label(second)}.example")
    assert own is not None
    assert own.serves(second)


def test_what_can_only_be_a_secure_subdomain() -> None:
    label = digest_label(CHESS)
    assert all(
        map(
            is_subdomain, (f"{label}.example.net", f"{label.upper()}.localhost:80", "chess-nectar.localhost.")
        )
    )
    others = (
        "chess-nectar",
        "chess-nectar.example.net",
        "localhost",
        "x.chess-nectar.localhost",
        f"{'0' * 31}.localhost",
    )
    assert not any(map(is_subdomain, (*others, f"{'g' * 32}.localhost", label, None)))


SEGMENT = st.text("abAB09_.-", min_size=1, max_size=8)


@given(st.builds(ProcessId, SEGMENT, SEGMENT, SEGMENT))
def test_every_label_can_stand_in_a_host_and_leads_back_to_its_process(process: ProcessId) -> None:
    known = Subdomains()
    known.claim(process)
    for label in (digest_label(process), package_label(process.package_id)):
        host = Authority.parse(f"{label}.localhost:80")
        assert host is not None
        found = known.of(str(host))
        assert found is not None
        assert found.serves(process)
