"""`nectar id`, `peers` and `hi` against a door that answers as a node does."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from kernel.jsontext import JsonValue, dump, parse
from runtime.node_file import PEER_FILE, NodeFile, write_node_file
from runtime.peers_file import parse_peers, peer_block
from sys_processes.net.protocol import (
    NET_RESPONSE,
    IdentityRecord,
    NetResponse,
    NodeState,
    PeerFound,
    PeerIdentity,
    Routers,
    Signed,
    States,
)
from tests.support.live_node import Said
from tests.support.net_world import record_of
from tests.support.rpc_door import rpc_door
from tests.support.shell import Shell

pytestmark = pytest.mark.real_clock

DIRECT = record_of("bob.uq", address="127.0.0.1:8080")
ROUTED = IdentityRecord("carol.uq", DIRECT.public_key, None, ("bob.uq", "r.uq"))
BOTH = IdentityRecord("dave.uq", DIRECT.public_key, "[::1]:8080", ("bob.uq",))


@pytest.fixture
def shell(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Shell:
    """Of a person whose default home has no node."""
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return Shell(tmp_path, capfd, monkeypatch)


def said_by_net(response: NetResponse) -> tuple[int, bytes]:
    return answer(NET_RESPONSE.encode(response))


def answer(ipc: bytes) -> tuple[int, bytes]:
    return 200, dump({"ipc": list(ipc), "payload": None})


# -- id


@pytest.mark.parametrize("record", [DIRECT, ROUTED, BOTH], ids=lambda record: record.name)
def test_id_prints_a_block_that_a_peers_file_takes(record: IdentityRecord, shell: Shell) -> None:
    with rpc_door(said_by_net(PeerFound(PeerIdentity.of(record)))) as door:
        said = shell.nectar("id", "--url", door.url)
    remark, start, block = said.out.partition("[[peer]]")
    assert (said.code, start + block, said.err) == (0, peer_block(record), "")
    assert all(line.startswith("# ") for line in remark.splitlines())
    [found] = parse_peers(Path("peers.toml"), said.out.encode()).values()
    assert PeerIdentity.of(found) == PeerIdentity.of(record)
    assert (door.calls[0]["process"], door.calls[0]["ipc"]) == ("net:sys:nectar", '{"GetPeer":"our"}')


@pytest.mark.parametrize(
    ("address", "remarked"),
    [
        ("127.0.0.1:80", "127.0.0.1 "),
        ("[::1]:80", "::1 "),
        ("192.0.2.7:80", ""),
        ("bob.example:80", ""),
        (None, ""),
    ],
)
def test_id_says_that_an_address_of_its_own_machine_is_none_for_others(
    address: str | None, remarked: str, shell: Shell
) -> None:
    """So it is also of a node that listens everywhere, which cannot tell by what name others see it."""
    block = peer_block(IdentityRecord("bob.uq", DIRECT.public_key, address, ("r.uq",)))
    (shell.folder / PEER_FILE).write_text(block)
    said = shell.nectar("id", "--home", shell.folder)
    assert said.out.endswith(block)
    remark = said.out.removesuffix(block)
    if remarked:
        assert remark.startswith(f"# {remarked}")
        assert "--bind 0.0.0.0" in remark
    else:
        assert remark == ""


def test_id_as_json(shell: Shell) -> None:
    with rpc_door(said_by_net(PeerFound(PeerIdentity.of(BOTH)))) as door:
        said = shell.nectar("id", "--json", "--url", door.url)
    assert parse(said.out) == {
        "name": "dave.uq",
        "key": DIRECT.key_hex,
        "address": "[::1]:8080",
        "routers": ["bob.uq"],
    }


def test_id_of_a_home_whose_node_does_not_run_is_what_its_last_run_left(shell: Shell) -> None:
    (shell.folder / PEER_FILE).write_text(peer_block(DIRECT))
    said = shell.nectar("id", "--home", shell.folder)
    assert (said.code, said.err) == (0, "")
    assert said.out.endswith(peer_block(DIRECT))


def test_id_asks_a_node_that_runs_whatever_stands_in_its_home(shell: Shell) -> None:
    (shell.folder / PEER_FILE).write_text(peer_block(BOTH))
    with rpc_door(said_by_net(PeerFound(PeerIdentity.of(DIRECT)))) as door:
        write_node_file(shell.folder, NodeFile(os.getpid(), door.url, "bob.uq"), "sesame")
        assert shell.nectar("id", "--home", shell.folder).out.endswith(peer_block(DIRECT))


@pytest.mark.parametrize("text", ["[[peer", '[[peer]]\nname = "bob.uq"\n', ""])
def test_id_of_a_home_in_which_nobody_can_be_told_says_how_to_go_on(text: str, shell: Shell) -> None:
    (shell.folder / PEER_FILE).write_text(text)
    said = shell.nectar("id", "--home", shell.folder)
    assert (said.code, said.out, said.advice) == (1, "", f"nectar boot {shell.folder}")


def test_id_of_a_home_without_a_node_says_so(shell: Shell) -> None:
    said = shell.nectar("id", "--home", shell.folder)
    assert (said.code, said.advice) == (1, f"nectar boot {shell.folder}")


@pytest.mark.parametrize(
    ("found", "problem"),
    [
        (said_by_net(PeerFound(None)), "does not say who it is"),
        (said_by_net(Signed()), "does not say who it is"),
        (said_by_net(PeerFound(PeerIdentity("bob.uq", "0x12", Routers(("r.uq",))))), "which cannot be"),
        (said_by_net(PeerFound(PeerIdentity("bob.uq", "key", Routers(("r.uq",))))), "which cannot be"),
        (
            said_by_net(PeerFound(PeerIdentity('x"\n', DIRECT.key_hex, Routers(("r.uq",))))),
            "which cannot be",
        ),
        (answer(b'{"Peer":{"name":"b","networking_key":"0x","routing":{"Direct":{"ip":"b","ports":{}}}}}'),
         "which cannot be"),
        (answer(b"delivered"), "gave an answer we do not know"),
        ((503, b'{"error":"no process net:sys:nectar"}'), "cannot be reached: no process"),
    ],
)  # fmt: skip
def test_id_of_something_that_answers_otherwise_fails(
    found: tuple[int, bytes], problem: str, shell: Shell
) -> None:
    with rpc_door(found) as door:
        said = shell.nectar("id", "--url", door.url)
    assert (said.code, said.out, said.advice) == (1, "", "nectar ps")
    assert problem in said.err


# -- peers

STATES = States((NodeState("bob.uq", "up", 0.25, 1, 2), NodeState("carol.uq", "untried", None, 0, 0)))


def test_peers_lists_every_node_with_its_state_and_round_trip(shell: Shell) -> None:
    with rpc_door(said_by_net(STATES)) as door:
        said = shell.nectar("peers", "--url", door.url)
    assert said.out.splitlines() == [
        "NAME      STATE    ROUND TRIP MS  IN FLIGHT  WAITING",
        "bob.uq    up       0.25           1          2",
        "carol.uq  untried                 0          0",
    ]


def test_peers_as_json(shell: Shell) -> None:
    with rpc_door(said_by_net(STATES)) as door:
        said = shell.nectar("peers", "--json", "--url", door.url)
    keys = ("name", "state", "round_trip_ms", "in_flight", "waiting")
    rows: list[JsonValue] = [
        dict(zip(keys, row, strict=True))
        for row in (("bob.uq", "up", 0.25, 1, 2), ("carol.uq", "untried", None, 0, 0))
    ]
    assert parse(said.out) == rows


def test_peers_of_a_node_that_knows_nobody_says_how_to_know_some(shell: Shell) -> None:
    with rpc_door(said_by_net(States(())), said_by_net(States(()))) as door:
        assert "--peers FILE" in shell.nectar("peers", "--url", door.url).out
        assert shell.nectar("peers", "--json", "--url", door.url).out == "[]\n"


@pytest.mark.parametrize("found", [said_by_net(Signed()), answer(b"x")])
def test_peers_of_something_that_answers_otherwise_fails(found: tuple[int, bytes], shell: Shell) -> None:
    with rpc_door(found) as door:
        said = shell.nectar("peers", "--url", door.url)
    assert (said.code, said.out, said.advice) == (1, "", "nectar ps")


# -- hi


@pytest.mark.parametrize(("argv", "shown"), [([], "delivered\n"), (["--json"], '{"delivered":"bob.uq"}\n')])
def test_hi_is_delivered(argv: Sequence[str], shown: str, shell: Shell) -> None:
    with rpc_door(answer(b"delivered")) as door:
        assert shell.nectar("hi", "bob.uq", "good morning", *argv, "--url", door.url) == Said(0, shown, "")
    call = door.calls[0]
    assert (call["process"], call["node"], call["ipc"]) == ("net:sys:nectar", "bob.uq", "good morning")


def test_hi_to_a_node_that_cannot_be_reached_says_why_and_how_to_see_more(shell: Shell) -> None:
    with rpc_door((503, b'{"error":"nobody listens at bob.uq:8080"}')) as door:
        said = shell.nectar("hi", "bob.uq", "hi", "--url", door.url)
    assert said.err == (
        "nectar: bob.uq@net:sys:nectar cannot be reached: nobody listens at bob.uq:8080\ntry: nectar peers\n"
    )


def test_hi_with_a_request_for_a_text_is_no_hello(shell: Shell) -> None:
    with rpc_door(answer(b'{"Rejected":"x"}')) as door:
        said = shell.nectar("hi", "bob.uq", '{"ConnectionRequest":"x"}', "--url", door.url)
    assert (said.code, said.advice) == (1, 'nectar hi bob.uq "hi"')
    assert "Rejected" in said.err
