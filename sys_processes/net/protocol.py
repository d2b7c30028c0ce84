"""Who a node is, and what `net:sys:nectar` is asked and answers (PROTOCOL 7.7, 9.1).

Requests come as msgpack or as JSON, and are answered in kind. Whatever is no request is a hello.
"""

from __future__ import annotations

import attrs
import msgpack

from kernel.address import Address, ProcessId
from kernel.codec import U16, Malformed, Shape, newtype, struct, unit
from kernel.jsontext import JsonValue

NET = ProcessId("net", "sys", "nectar")
DELIVERED = b"delivered"
LONGEST_NAME = 253
"""Characters of a node's name, as in the DNS."""

# -- who a node is


@attrs.frozen
class IdentityRecord:
    """A node's name, its raw Ed25519 public key, and how it is reached: at `address` (`host:port`), or through its
    `routers`. Of two records of one node the greater `serial` is the newer. `signature` is the node's own.
    """

    name: str
    public_key: bytes
    address: str | None = None
    routers: tuple[str, ...] = ()
    serial: int = 0
    signature: bytes = b""

    @property
    def key_hex(self) -> str:
        """`networking_key` of PROTOCOL 9.1."""
        return f"0x{self.public_key.hex()}"


# -- what is asked


@newtype
@attrs.frozen
class ConnectionRequest:
    """Of a node: connect to me through this router."""

    router: str


@attrs.frozen
class NameUpdate:
    """Who a node is, as an indexer of names knows it. Of `ports`, `ws` counts."""

    name: str
    public_key: str
    ips: tuple[str, ...]
    ports: dict[str, U16]
    routers: tuple[str, ...]


@attrs.frozen
class QnsName:
    """The same in the words of the first eras."""

    name: str
    public_key: str
    ip: str
    port: U16
    routers: tuple[str, ...]


@newtype
@attrs.frozen
class KnsUpdate:
    """Only from who holds `NAME_UPDATES`."""

    update: NameUpdate


@newtype
@attrs.frozen
class QnsUpdate:
    update: QnsName


@newtype
@attrs.frozen
class KnsBatchUpdate:
    updates: tuple[NameUpdate, ...]


NAME_UPDATES = '"name_updates"'
"""The params of the capability, issued by net:sys:nectar, by which a process tells who other nodes are."""


@unit
@attrs.frozen
class GetPeers:
    pass


@newtype
@attrs.frozen
class GetPeer:
    """By its name; `our` is this node."""

    name: str


@unit
@attrs.frozen
class GetStates:
    """How it stands with each node that is known. Ours."""


@unit
@attrs.frozen
class GetDiagnostics:
    pass


@unit
@attrs.frozen
class Sign:
    """The payload, as a statement of the asking process."""


@struct
@attrs.frozen
class Verify:
    """That the payload was signed by that node for that process."""

    source: Address = attrs.field(metadata={"name": "from"})
    signature: bytes


@unit
@attrs.frozen
class SignStatement:
    """The same over `statement_bytes`, which nothing else that a node signs can be mistaken for. Ours."""


@struct
@attrs.frozen
class VerifyStatement:
    """That the payload was signed so. Ours."""

    source: Address = attrs.field(metadata={"name": "from"})
    signature: bytes


NetAction = (
    ConnectionRequest
    | KnsUpdate
    | KnsBatchUpdate
    | QnsUpdate
    | GetPeers
    | GetPeer
    | GetStates
    | GetDiagnostics
    | Sign
    | Verify
    | SignStatement
    | VerifyStatement
)
NET_ACTION: Shape[NetAction] = Shape(NetAction)

# -- what is signed


def said_bytes(source: Address, said: bytes) -> bytes:
    """What `Sign` signs: the two one behind the other, as the protocol has it.

    Where the address ends is not told: `d` said by `a:b:c` has the same bytes as nothing said by `a:b:cd`. Only the
    node and the first two words of its process are certain.
    """
    return str(source).encode() + said


def statement_bytes(source: Address, said: bytes) -> bytes:
    """What `SignStatement` signs: a msgpack array, so that no two statements have the same bytes."""
    packed: bytes = msgpack.packb([_STATEMENT, str(source), said])
    return packed


_STATEMENT = "nectar-statement-1"

# -- what is answered


@struct
@attrs.frozen
class Direct:
    """It listens: `ports` by the names of what is spoken there."""

    ip: str
    ports: dict[str, int]


@newtype
@attrs.frozen
class Routers:
    """It is reached through these."""

    names: tuple[str, ...]


@struct
@attrs.frozen
class Both:
    ip: str
    ports: dict[str, int]
    routers: tuple[str, ...]


@attrs.frozen
class PeerIdentity:
    name: str
    networking_key: str
    routing: Direct | Routers | Both

    @classmethod
    def of(cls, record: IdentityRecord) -> PeerIdentity:
        return cls(record.name, record.key_hex, _routing(record))


def _routing(record: IdentityRecord) -> Direct | Routers | Both:
    if record.address is None:
        return Routers(record.routers)
    host, _, port = record.address.rpartition(":")
    ports = {"ws": int(port)}
    return Both(host, ports, record.routers) if record.routers else Direct(host, ports)


@newtype
@attrs.frozen
class Accepted:
    """The name, or the names with a comma between them."""

    name: str


@newtype
@attrs.frozen
class Rejected:
    name: str


@newtype
@attrs.frozen
class Peers:
    peers: tuple[PeerIdentity, ...]


@newtype("Peer")
@attrs.frozen
class PeerFound:
    peer: PeerIdentity | None


@attrs.frozen
class NodeState:
    """`state` is untried, up, connecting, resting or idle."""

    name: str
    state: str
    round_trip_ms: float | None
    in_flight: int
    waiting: int


@newtype
@attrs.frozen
class States:
    states: tuple[NodeState, ...]


@newtype
@attrs.frozen
class Diagnostics:
    text: str


@unit
@attrs.frozen
class Signed:
    """The signature is in the payload."""


@newtype
@attrs.frozen
class Verified:
    valid: bool


NetResponse = Accepted | Rejected | Peers | PeerFound | States | Diagnostics | Signed | Verified
NET_RESPONSE: Shape[NetResponse] = Shape(NetResponse)

# -- two encodings

_JSON_STARTS = (b"{", b'"')


def is_json(ipc: bytes) -> bool:
    """Whether a request of this text is answered in JSON."""
    return ipc[:1] in _JSON_STARTS


def encode_action(action: NetAction, *, json: bool = False) -> bytes:
    return NET_ACTION.encode(action) if json else _pack(NET_ACTION.dump(action))


def decode_action(ipc: bytes) -> NetAction | None:
    """None for what is no request: a hello."""
    try:
        if is_json(ipc):
            return NET_ACTION.decode(ipc)
        return NET_ACTION.load(_named(_json_like(_unpack(ipc))))
    except Malformed:
        return None


def encode_response(response: NetResponse, *, json: bool) -> bytes:
    return NET_RESPONSE.encode(response) if json else _pack(NET_RESPONSE.dump(response))


def decode_response(ipc: bytes) -> NetResponse:
    """Raises `Malformed`."""
    return NET_RESPONSE.decode(ipc) if is_json(ipc) else NET_RESPONSE.load(_json_like(_unpack(ipc)))


def _pack(json: JsonValue) -> bytes:
    packed: bytes = msgpack.packb(json)
    return packed


def _unpack(raw: bytes) -> object:
    try:
        value: object = msgpack.unpackb(raw)
    except Exception as error:  # noqa: BLE001 - the library raises a dozen kinds
        raise Malformed("$", f"no msgpack: {error!r:.200}") from None
    return value


def _json_like(value: object) -> JsonValue:
    """Bytes become arrays of integers, as JSON has them. Raises `Malformed`."""
    match value:
        case bytes():
            return list(value)
        case list():
            return [_json_like(item) for item in value]
        case dict():
            return {_key(key): _json_like(item) for key, item in value.items()}
        case None | bool() | int() | float() | str():
            return value
    raise Malformed("$", f"{type(value).__name__} has no place in a request")


def _key(key: object) -> str:
    if isinstance(key, str):
        return key
    raise Malformed("$", f"a key is text, found {type(key).__name__}")


def _named(json: JsonValue) -> JsonValue:
    """Serde's compact form has the fields of a struct in order and without their names."""
    match json:
        case {"Verify": [source, signature]}:
            return {"Verify": {"from": source, "signature": signature}}
        case {"VerifyStatement": [source, signature]}:
            return {"VerifyStatement": {"from": source, "signature": signature}}
        case {"KnsUpdate": update}:
            return {"KnsUpdate": _with_names(_KNS, update)}
        case {"QnsUpdate": update}:
            return {"QnsUpdate": _with_names(_QNS, update)}
        case {"KnsBatchUpdate": [*updates]}:
            return {"KnsBatchUpdate": [_with_names(_KNS, update) for update in updates]}
    return json


_KNS = ("name", "public_key", "ips", "ports", "routers")
_QNS = ("name", "owner", "node", "public_key", "ip", "port", "routers")


def _with_names(names: tuple[str, ...], value: JsonValue) -> JsonValue:
    if isinstance(value, list) and len(value) == len(names):
        return dict(zip(names, value, strict=True))
    return value
