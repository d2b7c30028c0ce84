"""`nectar id`, `peers` and `hi`: who a node is, and how it stands with the others (DESIGN section 4)."""

from __future__ import annotations

import argparse
from ipaddress import ip_address
from pathlib import Path

import attrs

from kernel.address import OUR
from kernel.codec import Malformed
from kernel.jsontext import JsonValue, dump
from runtime.cli_words import find_door, write
from runtime.command_error import CommandError
from runtime.node_file import PEER_FILE, read_node_file
from runtime.options import default_home
from runtime.peers_file import PeersFileError, parse_peers, peer_block
from runtime.rpc_client import NodeDoor, call
from runtime.table import as_table
from sys_processes.net.identity import BadIdentity, check_record
from sys_processes.net.protocol import (
    DELIVERED,
    NET,
    Both,
    Direct,
    GetPeer,
    GetStates,
    IdentityRecord,
    NetAction,
    NetResponse,
    PeerFound,
    PeerIdentity,
    Routers,
    States,
    decode_response,
    encode_action,
)

HI_SECONDS = 10
"""Longer than it takes to find out that a node cannot be reached."""
_OF_THIS_MACHINE = (
    "# {} is for nodes of the same machine: for others, write the host by which they reach\n"
    "# this one, booted as `nectar boot --bind 0.0.0.0`\n"
)
_COLUMNS = ("name", "state", "round_trip_ms", "in_flight", "waiting")


def run(arguments: argparse.Namespace) -> None:
    """Raises `CommandError`."""
    match arguments.command:
        case "id":
            _show_identity(arguments)
        case "peers":
            _show_peers(find_door(arguments), as_json=arguments.json)
        case _:
            _say_hi(find_door(arguments), arguments.node, arguments.text, as_json=arguments.json)


# -- who a node is


def _show_identity(arguments: argparse.Namespace) -> None:
    home: Path = arguments.home or default_home()
    record = None
    if arguments.url is None and read_node_file(home) is None:
        record = _left_in(home)
    if record is None:
        record = _asked(find_door(arguments))
    block = f"{_remark(record)}{peer_block(record)}".rstrip()
    write(dump(_as_json(record)).decode() if arguments.json else block)


def _remark(record: IdentityRecord) -> str:
    """A node knows where its own machine reaches it; how others do, only somebody who knows the network can tell."""
    host = "" if record.address is None else record.address.rpartition(":")[0].strip("[]")
    try:
        loopback = ip_address(host).is_loopback
    except ValueError:
        loopback = False
    return _OF_THIS_MACHINE.format(host) if loopback else ""


def _left_in(home: Path) -> IdentityRecord | None:
    """What the last run of the home's node left there, if one did."""
    path = home / PEER_FILE
    try:
        found = parse_peers(path, path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, PeersFileError) as error:
        raise CommandError(f"cannot tell who lives in {home}: {error}", f"nectar boot {home}") from None
    return next(iter(found.values()), None)


def _asked(door: NodeDoor) -> IdentityRecord:
    answer = _ask_net(door, GetPeer(OUR))
    if not isinstance(answer, PeerFound) or answer.peer is None:
        raise CommandError(f"the node at {door.url} does not say who it is", "nectar ps")
    try:
        return _record(answer.peer)
    except (BadIdentity, ValueError, KeyError) as error:
        problem = f"the node at {door.url} says that it is {answer.peer.name!r:.80}, which cannot be: {error}"
        raise CommandError(problem, "nectar ps") from None


def _record(peer: PeerIdentity) -> IdentityRecord:
    """Raises `BadIdentity`, ValueError, KeyError."""
    key = bytes.fromhex(peer.networking_key.removeprefix("0x"))
    match peer.routing:
        case Direct(ip, ports):
            record = IdentityRecord(peer.name, key, f"{ip}:{ports['ws']}")
        case Both(ip, ports, routers):
            record = IdentityRecord(peer.name, key, f"{ip}:{ports['ws']}", routers)
        case Routers(routers):
            record = IdentityRecord(peer.name, key, None, routers)
    check_record(record)
    return record


def _as_json(record: IdentityRecord) -> dict[str, JsonValue]:
    return {
        "name": record.name,
        "key": record.key_hex,
        "address": record.address,
        "routers": list(record.routers),
    }


# -- the others


def _show_peers(door: NodeDoor, *, as_json: bool) -> None:
    answer = _ask_net(door, GetStates())
    if not isinstance(answer, States):
        raise CommandError(f"the node at {door.url} lists no peers: it answered {answer}", "nectar ps")
    if as_json:
        write(dump([attrs.asdict(state) for state in answer.states]).decode())
    elif answer.states:
        write(as_table(_COLUMNS, [attrs.asdict(state) for state in answer.states]))
    else:
        write("no other node is known: name some with --peers FILE, or start one on this machine")


def _say_hi(door: NodeDoor, node: str, text: str, *, as_json: bool) -> None:
    answer = call(door, NET, text, node=node, seconds=HI_SECONDS)
    assert answer is not None
    if answer.ipc != DELIVERED:
        said = answer.ipc[:200].decode(errors="replace")
        raise CommandError(f"{node} took that for a request, and answered: {said}", f'nectar hi {node} "hi"')
    write(dump({"delivered": node}).decode() if as_json else "delivered")


def _ask_net(door: NodeDoor, action: NetAction) -> NetResponse:
    answer = call(door, NET, encode_action(action, json=True).decode())
    assert answer is not None
    try:
        return decode_response(answer.ipc)
    except Malformed as error:
        problem = f"{NET} at {door.url} gave an answer we do not know: {error}"
        raise CommandError(problem, "nectar ps") from None
