"""What is said at a router's `/net` in the clear, before the TLS of a link that it only passes on: two letters, a
2-byte big-endian length and a msgpack map. TLS begins with another byte, so that neither is taken for the other.

dialler   Wanted ->           <- Nonce                 who wants whom, and can you prove it
          Evidence ->         <- Here, or NotHere      the target has come, or why there is no way
target    Arrival ->                                   with the token that its router gave it
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import attrs
import msgpack

MARK = b"NR"
HEAD_BYTES = 4
LARGEST = 1024
"""Bytes of one, without its head."""
NONCE_BYTES = 32
TOKEN_BYTES = 32
SIGNATURE_BYTES = 64
LONGEST_NAME = 300
LONGEST_REASON = 200


class BadPreface(ValueError):
    """Bytes that are nothing of the kind, or something that has no place here."""


@attrs.frozen
class Wanted:
    """`source` wants a way to `target`."""

    source: str
    target: str


@attrs.frozen
class Nonce:
    """Fresh, for the dialler to sign."""

    nonce: bytes


@attrs.frozen
class Evidence:
    """The dialler's signature over a `RouteStatement`."""

    signature: bytes


@attrs.frozen
class Here:
    """What is said from now on goes to the target, and comes from it."""


@attrs.frozen
class NotHere:
    """There is no way through this node."""

    why: str


@attrs.frozen
class Arrival:
    """Of a target, on a connection that it opened because its router asked it to."""

    token: bytes


Preface = Wanted | Nonce | Evidence | Here | NotHere | Arrival
P = TypeVar("P", bound=Preface)


def encode_preface(preface: Preface) -> bytes:
    if isinstance(preface, NotHere):
        preface = NotHere(preface.why[:LONGEST_REASON])
    fields: dict[str, object] = {"t": _TAGS[type(preface)], **attrs.asdict(preface)}
    body: bytes = msgpack.packb(fields)
    return MARK + len(body).to_bytes(HEAD_BYTES - len(MARK), "big") + body


class PrefaceReader:
    """Takes bytes in any pieces until one preface is whole. The side that said it waits then: nothing may follow."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes | bytearray) -> Preface | None:
        """Raises `BadPreface`."""
        self._buffer += data
        buffer = self._buffer
        if not MARK.startswith(buffer[: len(MARK)]):
            raise BadPreface(f"it begins with 0x{buffer[:2].hex()}, not with {MARK!r}")
        if len(buffer) < HEAD_BYTES:
            return None
        length = int.from_bytes(buffer[len(MARK) : HEAD_BYTES], "big")
        if length > LARGEST:
            raise BadPreface(f"a preface of {length} bytes, {LARGEST} at most")
        end = HEAD_BYTES + length
        if len(buffer) < end:
            return None
        if len(buffer) > end:
            raise BadPreface(f"{len(buffer) - end} bytes came behind a preface that is to be answered first")
        body = bytes(buffer[HEAD_BYTES:])
        buffer.clear()
        return _preface(body)


def _preface(body: bytes) -> Preface:
    try:
        fields = msgpack.unpackb(body)
    except Exception as error:  # noqa: BLE001 - the library raises a dozen kinds, all of them about these bytes
        raise BadPreface(f"no msgpack: {error!r:.200}") from None
    if not isinstance(fields, dict):
        raise BadPreface(f"expected a map, found {type(fields).__name__}")
    tag = fields.get("t")
    read = _READERS.get(tag) if isinstance(tag, str) else None
    if read is None:
        raise BadPreface(f"a preface of the unknown kind {tag!r:.40}")
    return read(fields)


def _text(fields: dict[object, object], name: str, longest: int) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or len(value) > longest:
        raise BadPreface(f"{name}: expected text of at most {longest} characters, found {value!r:.60}")
    return value


def _raw(fields: dict[object, object], name: str, length: int) -> bytes:
    value = fields.get(name)
    if not isinstance(value, bytes) or len(value) != length:
        raise BadPreface(f"{name}: expected {length} bytes, found {value!r:.60}")
    return value


_READERS: dict[str, Callable[[dict[object, object]], Preface]] = {
    "wanted": lambda fields: Wanted(
        _text(fields, "source", LONGEST_NAME), _text(fields, "target", LONGEST_NAME)
    ),
    "nonce": lambda fields: Nonce(_raw(fields, "nonce", NONCE_BYTES)),
    "evidence": lambda fields: Evidence(_raw(fields, "signature", SIGNATURE_BYTES)),
    "here": lambda _fields: Here(),
    "not here": lambda fields: NotHere(_text(fields, "why", LONGEST_REASON)),
    "arrival": lambda fields: Arrival(_raw(fields, "token", TOKEN_BYTES)),
}

_TAGS: dict[type, str] = {
    Wanted: "wanted",
    Nonce: "nonce",
    Evidence: "evidence",
    Here: "here",
    NotHere: "not here",
    Arrival: "arrival",
}
