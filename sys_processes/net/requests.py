"""What `net:sys:nectar` answers to processes of its own node, and to hellos of anybody (PROTOCOL 7.7)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs

from kernel.address import OUR, Address
from kernel.message import Message, Payload
from kernel.ports import Keys
from kernel.syscalls import current
from sys_processes.devices import Registry
from sys_processes.net.core import PeerState
from sys_processes.net.name_updates import NameRefused, ToldNames, update_record
from sys_processes.net.protocol import (
    DELIVERED,
    NAME_UPDATES,
    NET,
    Accepted,
    ConnectionRequest,
    Diagnostics,
    GetDiagnostics,
    GetPeer,
    GetPeers,
    GetStates,
    IdentityRecord,
    KnsBatchUpdate,
    KnsUpdate,
    NameUpdate,
    NetResponse,
    NodeState,
    PeerFound,
    PeerIdentity,
    Peers,
    QnsName,
    QnsUpdate,
    Rejected,
    Sign,
    Signed,
    SignStatement,
    States,
    Verified,
    Verify,
    VerifyStatement,
    decode_action,
    encode_response,
    is_json,
    said_bytes,
    statement_bytes,
)

UNTRIED = "untried"
"""The state of a node that is known, and there was nothing for or from it yet."""
_SHOWN = 2000
"""Characters of a hello that are printed."""

_LISTED = 10
"""Names of an answer to many updates."""
_Asked = (
    ConnectionRequest
    | GetPeers
    | GetPeer
    | GetStates
    | GetDiagnostics
    | Sign
    | Verify
    | SignStatement
    | VerifyStatement
)


@attrs.frozen
class Reply:
    ipc: bytes
    payload: Payload | None = None
    printed: str | None = None


class Desk:
    """Answers from what is known; never waits."""

    def __init__(
        self,
        registry: Registry,
        keys: Keys,
        peers: Callable[[], Sequence[PeerState]],
        own: IdentityRecord | None = None,
        told: ToldNames | None = None,
    ) -> None:
        self._told_names = told
        self._registry = registry
        self._keys = keys
        self._peers = peers
        self._own = own

    def reply(self, message: Message) -> Reply:
        """Other nodes may say hello and ask to be connected; the rest is for processes of this node."""
        if message.is_local() and message.ipc in _TEXTS:
            text = _TEXTS[message.ipc](self)
            return Reply(text.encode(), printed=text)
        action = decode_action(message.ipc)
        if action is None or not (message.is_local() or isinstance(action, ConnectionRequest)):
            text = message.ipc[: 4 * _SHOWN].decode(errors="replace")[:_SHOWN]
            return Reply(DELIVERED, printed=f"{message.source}: {text}")
        if isinstance(action, KnsUpdate | QnsUpdate):
            return self._told(message, (action.update,))
        if isinstance(action, KnsBatchUpdate):
            return self._told(message, action.updates)
        response, payload = self._answer(message, action)
        return Reply(encode_response(response, json=is_json(message.ipc)), payload)

    def _answer(self, message: Message, action: _Asked) -> tuple[NetResponse, Payload | None]:
        payload = message.payload()
        said = b"" if payload is None else payload.bytes
        match action:
            case ConnectionRequest(router):
                return Rejected(router), None
            case GetPeers():
                return Peers(tuple(PeerIdentity.of(record) for record in self._registry.records())), None
            case GetPeer(name):
                record = self._find(name)
                return PeerFound(None if record is None else PeerIdentity.of(record)), None
            case GetStates():
                return States(self._states()), None
            case GetDiagnostics():
                return Diagnostics(self.diagnostics()), None
            case Sign():
                return self._sign(said_bytes(message.source, said))
            case SignStatement():
                return self._sign(statement_bytes(message.source, said))
            case Verify(source, signature):
                return self._verify(source, said_bytes(source, said), signature)
            case VerifyStatement(source, signature):
                return self._verify(source, statement_bytes(source, said), signature)

    def _told(self, message: Message, updates: Sequence[NameUpdate | QnsName]) -> Reply:
        """Names from the indexer. What is wrong with one of them does not touch the others."""
        source = message.source.process
        json = is_json(message.ipc)
        if not current().has_capability(NAME_UPDATES):
            text = (
                f"{source} may not say who other nodes are: add "
                f'{{"process": "{NET}", "params": {NAME_UPDATES}}} to "request_capabilities" in its manifest.json'
            )
            return Reply(encode_response(Rejected(_names(updates)), json=json), printed=text)
        refused: dict[str, str] = {}
        for update in updates:
            try:
                self._tell(update, str(source))
            except NameRefused as error:
                refused.setdefault(update.name, str(error))
        response = Rejected(_listed(list(refused))) if refused else Accepted(_names(updates))
        printed = None
        if refused:
            name, why = next(iter(refused.items()))
            more = f"; and {len(refused) - 1} more" if len(refused) > 1 else ""
            printed = f"refused an update of names by {source}: {name!r:.80}: {why}{more}"
        return Reply(encode_response(response, json=json), printed=printed)

    def _tell(self, update: NameUpdate | QnsName, source: str) -> None:
        """Raises `NameRefused`."""
        record = update_record(update)
        if self._told_names is None:
            raise NameRefused("this node takes no updates of names")
        own = self._own
        if own is None or record.name != own.name:
            self._told_names.tell(record, self._registry.find(record.name), source)
        elif record.public_key != own.public_key:
            raise NameRefused(f"that is this node, whose key is {own.key_hex}, not {record.key_hex}")

    def _sign(self, data: bytes) -> tuple[NetResponse, Payload]:
        return Signed(), Payload(None, self._keys.sign(data))

    def _verify(self, source: Address, data: bytes, signature: bytes) -> tuple[NetResponse, None]:
        return Verified(self._keys.verify(source.node, data, signature)), None

    def _find(self, name: str) -> IdentityRecord | None:
        own = self._own
        return own if own is not None and name in {OUR, own.name} else self._registry.find(name)

    def _states(self) -> tuple[NodeState, ...]:
        """Of all that are known, and all there is or was a link with, by name."""
        found = {
            record.name: NodeState(record.name, UNTRIED, None, 0, 0) for record in self._registry.records()
        }
        for peer in self._peers():
            trip = None if peer.round_trip is None else round(1000 * peer.round_trip, 3)
            found[peer.name] = NodeState(peer.name, peer.state, trip, peer.in_flight, peer.waiting)
        return tuple(found[name] for name in sorted(found))

    def peers(self) -> str:
        """A line for each node there is or was a link with."""
        return "\n".join(_line(peer) for peer in self._peers()) or "no peers yet"

    def names(self) -> str:
        """A line for each node that is known."""
        lines = [f"{record.name} {record.key_hex} {_way(record)}" for record in self._registry.records()]
        return "\n".join(lines) or "no other node is known"

    def diagnostics(self) -> str:
        conflicts = [
            f"{one.name}: the key 0x{one.refused.hex()} of {one.where} is refused, 0x{one.kept.hex()} counts"
            for one in self._registry.conflicts()
        ]
        known = f"{len(self._registry.records())} nodes are known"
        return "\n".join([known, self.peers(), *conflicts])


def _names(updates: Sequence[NameUpdate | QnsName]) -> str:
    return _listed([update.name for update in updates])


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more


def _line(peer: PeerState) -> str:
    trip = "" if peer.round_trip is None else f", {1000 * peer.round_trip:.1f} ms"
    return f"{peer.name} {peer.state}{trip}, {peer.in_flight} in flight, {peer.waiting} waiting"


def _way(record: IdentityRecord) -> str:
    return record.address or f"through {', '.join(record.routers)}"


_TEXTS: dict[bytes, Callable[[Desk], str]] = {
    b"peers": Desk.peers,
    b"pki": Desk.names,
    b"names": Desk.names,
    b"diagnostics": Desk.diagnostics,
}
