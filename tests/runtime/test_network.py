"""What a real node opens to know the others and be known."""

from __future__ import annotations

from pathlib import Path

import pytest

from kernel.kernel import BadNodeName
from runtime.links.direct import DirectLinks
from runtime.network import BadRouter, open_network, own_record
from runtime.peers_file import PeersFileError, peer_block
from runtime.sim.chance import SeededChance
from sys_processes.net.identity import verify_record
from tests.support.net_world import identity_of, record_of

A, B = "alice.uq", "bob.uq"


def links_of(name: str) -> DirectLinks:
    return DirectLinks(identity_of(name).network_key, SeededChance(1))


def entries(local: Path) -> list[str]:
    return sorted(path.name for path in local.iterdir())


@pytest.fixture
def local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NECTAR_LOCAL_DIRECTORY", str(tmp_path / "local"))
    return tmp_path / "local"


@pytest.mark.parametrize(
    ("url", "address"),
    [("http://127.0.0.1:8080", "127.0.0.1:8080"), ("http://[::1]:9000", "[::1]:9000")],
)
def test_a_node_shows_its_listener_and_signs_for_it(url: str, address: str):
    record = own_record(identity_of(A), url)
    verify_record(record)
    assert (record.name, record.address) == (A, address)


def test_two_boots_within_a_second_show_records_that_differ(monkeypatch: pytest.MonkeyPatch):
    shown = []
    for now in (1_700_000_000.25, 1_700_000_000.5):
        monkeypatch.setattr("runtime.network.time.time", lambda now=now: now)
        shown.append(own_record(identity_of(A), "http://127.0.0.1:8080").serial)
    assert shown == [1_700_000_000_250, 1_700_000_000_500]


def test_an_address_that_no_other_node_would_take_is_refused():
    with pytest.raises(BadNodeName, match="other nodes could not know this one: address is ''"):
        own_record(identity_of(A), "")


def test_a_node_with_routers_shows_them_and_no_address():
    record = own_record(identity_of(A), "http://127.0.0.1:8080", [B, "carol.uq"])
    verify_record(record)
    assert (record.address, record.routers) == (None, (B, "carol.uq"))


@pytest.mark.parametrize(
    ("routers", "problem"),
    [
        ([B, A], f"{A} cannot be its own router"),
        ([f"r{n}" for n in range(17)], "17 routers are too many: 16"),
    ],
)
def test_routers_that_no_node_can_have(routers: list[str], problem: str):
    with pytest.raises(BadRouter, match=problem):
        own_record(identity_of(A), "http://127.0.0.1:8080", routers)


@pytest.mark.usefixtures("local")
async def test_a_router_must_be_known_and_have_an_address(tmp_path: Path):
    file = tmp_path / "peers.toml"
    file.write_text(peer_block(record_of(B)) + peer_block(record_of("carol.uq", routers=[B])))
    async with open_network(record_of(A, routers=[B]), links_of(A), file, pytest.fail) as network:
        assert network.own.routers == (B,)
    for router, problem, unknown in (
        ("dave.uq", "no node 'dave.uq' is known", True),
        ("carol.uq", "carol.uq cannot be a router: it has no address", False),
    ):
        with pytest.raises(BadRouter, match=problem) as found:
            async with open_network(record_of(A, routers=[B, router]), links_of(A), file, pytest.fail):
                pass
        assert (found.value.router, found.value.is_unknown) == (router, unknown)
    assert list((tmp_path / "local").iterdir()) == []


async def test_the_file_comes_before_the_folder_and_both_are_known(local: Path, tmp_path: Path):
    told: list[str] = []
    file = tmp_path / "peers.toml"
    file.write_text(peer_block(record_of(B, key_of="another.uq")) + peer_block(record_of("carol.uq")))
    async with open_network(record_of(B), links_of(B), None, told.append):
        async with open_network(record_of(A), links_of(A), file, told.append) as network:
            registry = network.registry
            assert [record.name for record in registry.records()] == [B, "carol.uq"]
            found = registry.find(B)
            assert found is not None
            assert found.public_key == identity_of("another.uq").public_key
            assert [conflict.name for conflict in registry.conflicts()] == [B]
        assert entries(local) == [f"{B}.node"]
    assert entries(local) == []
    assert told == []


@pytest.mark.usefixtures("local")
async def test_a_file_that_cannot_be_used_leaves_nothing_open(tmp_path: Path):
    file = tmp_path / "peers.toml"
    file.write_text("[[peer]]\n")
    for path in (file, tmp_path / "none"):
        with pytest.raises(PeersFileError):
            async with open_network(record_of(A), links_of(A), path, pytest.fail):
                pass
    assert not (tmp_path / "local").exists()
