"""The envelope of a message as msgpack: maps with field names, `bin` for bytes (PROTOCOL 2.3, 9.2).

Contexts, prompting state and the kernel's notes never travel; capabilities do, with their signatures. `our` never
crosses: whose would it be?
"""

from __future__ import annotations

from typing import TypeVar

import msgpack

from kernel.address import OUR, Address, AddressParseError
from kernel.capability import Capability, SignedCapability
from kernel.message import KernelMessage, Payload, Request, Response

LARGEST = 10_485_800
"""Bytes of one serialised message (PROTOCOL 9.3)."""

MOST_CAPABILITIES = 64
"""In one message: to check a signature takes 0.1 to 0.3 ms, in which this node does nothing else."""
LONGEST_ADDRESS = 4096
"""Characters: it is printed, and kept for as long as its message."""

T = TypeVar("T")


class BadMessage(ValueError):
    """Not the envelope of a message: `field` is where, `problem` what was expected and what was found."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


class Untransportable(ValueError):
    """A message of ours that has no wire form; the text says which part of it."""


# -- out


LARGE = 64 * 1024
"""A payload of so many bytes is not copied."""


def pack_message(envelope: KernelMessage) -> bytes:
    """Raises `Untransportable`."""
    return b"".join(pack_parts(envelope))


def pack_parts(envelope: KernelMessage) -> tuple[bytes, bytes]:
    """The second part is a large payload's own bytes, which come last, or nothing. Raises `Untransportable`."""
    payload = envelope.payload
    if payload is None or len(payload.bytes) < LARGE:
        return _pack(envelope, payload), b""
    packed = _pack(envelope, Payload(payload.mime, b""))
    return packed[: -len(_NO_BYTES)] + b"\xc6" + len(payload.bytes).to_bytes(4, "big"), payload.bytes


_NO_BYTES = b"\xc4\x00"
"""In msgpack; before many bytes come 0xc6 and their number."""


def _pack(envelope: KernelMessage, payload: Payload | None) -> bytes:
    message = envelope.message
    if len(message.capabilities) > MOST_CAPABILITIES:
        raise Untransportable(
            f"{len(message.capabilities)} capabilities are too many for another node, {MOST_CAPABILITIES} at most"
        )
    capabilities = [_capability(c) for c in message.capabilities] if message.capabilities else []
    body: dict[str, object] = {
        "inherit": message.inherit,
        "ipc": message.ipc,
        "metadata": message.metadata,
        "capabilities": capabilities,
    }
    if isinstance(message, Request):
        body["expects_response"] = message.expects_response
    rsvp = envelope.rsvp
    fields = {
        "id": envelope.id,
        "source": str(envelope.source),
        "target": str(envelope.target),
        "rsvp": None if rsvp is None else str(rsvp),
        "message": {"Request" if isinstance(message, Request) else "Response": body},
        "payload": None if payload is None else {"mime": payload.mime, "bytes": payload.bytes},
    }
    try:
        packed: bytes = msgpack.packb(fields)
    except UnicodeEncodeError as error:
        raise Untransportable(f"text that is no Unicode cannot leave the node: {error}") from None
    return packed


def _capability(capability: Capability) -> dict[str, object]:
    signature = capability.signature if isinstance(capability, SignedCapability) else b""
    return {"issuer": str(capability.issuer), "params": capability.params, "signature": signature}


# -- in


def read_message(fields: object) -> KernelMessage:
    """From what msgpack made of the bytes. Raises `BadMessage`."""
    top = _map("message", fields)
    kind, body = _variant(_take(top, "message"))
    inherit = _of(bool, f"{kind}.inherit", _take(body, "inherit"))
    ipc = _of(bytes, f"{kind}.ipc", _take(body, "ipc"))
    metadata = _optional(str, f"{kind}.metadata", _take(body, "metadata"))
    capabilities = _capabilities(_take(body, "capabilities"))
    message: Request | Response
    if kind == "Request":
        seconds = _take(body, "expects_response")
        message = Request(
            inherit, None if seconds is None else _u64("expects_response", seconds), ipc, metadata
        )
    else:
        message = Response(inherit, ipc, metadata)
    message.capabilities = capabilities
    rsvp = _take(top, "rsvp")
    return KernelMessage(
        _u64("id", _take(top, "id")),
        _address("source", _take(top, "source")),
        _address("target", _take(top, "target")),
        None if rsvp is None else _address("rsvp", rsvp),
        message,
        _payload(_take(top, "payload")),
    )


def _variant(value: object) -> tuple[str, dict[object, object]]:
    found = _map("message", value)
    if len(found) == 1:
        for kind in ("Request", "Response"):
            if kind in found:
                return kind, _map(kind, found[kind])
    raise BadMessage("message", f"expected a Request or a Response, found {list(found)!r:.60}")


def _payload(value: object) -> Payload | None:
    if value is None:
        return None
    fields = _map("payload", value)
    mime = _optional(str, "payload.mime", _take(fields, "mime"))
    return Payload(mime, _of(bytes, "payload.bytes", _take(fields, "bytes")))


def _capabilities(value: object) -> tuple[Capability, ...]:
    found = _of(list, "capabilities", value)
    if len(found) > MOST_CAPABILITIES:
        raise BadMessage("capabilities", f"{len(found)} of them, {MOST_CAPABILITIES} at most")
    return tuple(_one_capability(item) for item in found)


def _one_capability(value: object) -> Capability:
    fields = _map("capability", value)
    issuer = _address("capability.issuer", _take(fields, "issuer"))
    params = _of(str, "capability.params", _take(fields, "params"))
    signature = _of(bytes, "capability.signature", _take(fields, "signature"))
    return SignedCapability(issuer, params, signature) if signature else Capability(issuer, params)


def _address(field: str, value: object) -> Address:
    text = _of(str, field, value)
    if len(text) > LONGEST_ADDRESS:
        raise BadMessage(field, f"{text[:80]!r}... has {len(text)} characters, {LONGEST_ADDRESS} at most")
    try:
        address = Address.from_str(text)
    except AddressParseError as error:
        raise BadMessage(field, str(error)) from None
    if address.node == OUR:
        raise BadMessage(field, f"{text[:80]!r}: {OUR!r} means nothing on another node")
    return address


def _map(field: str, value: object) -> dict[object, object]:
    return _of(dict, field, value)


def _take(fields: dict[object, object], name: str) -> object:
    try:
        return fields[name]
    except KeyError:
        raise BadMessage(name, "missing") from None


def _of(kind: type[T], field: str, value: object) -> T:
    if value.__class__ is kind:
        return value
    raise BadMessage(field, f"expected {kind.__name__}, found {type(value).__name__} {value!r:.60}")


def _optional(kind: type[T], field: str, value: object) -> T | None:
    return None if value is None else _of(kind, field, value)


def _u64(field: str, value: object) -> int:
    number = _of(int, field, value)
    if 0 <= number < 2**64:
        return number
    raise BadMessage(field, f"expected a number from 0 to 2**64 - 1, found {number}")
