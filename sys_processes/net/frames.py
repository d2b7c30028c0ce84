"""What two nodes say to each other on a link: frames of a 4-byte big-endian length and a msgpack map.

dialler   Hello ->            <- Challenge             who are you, and can you prove it
          Proof ->            <- Welcome               what each side has of the other's stream
both      Data, Refuse        numbered, in order, sent again after a cut until they are acknowledged
          Ack, Ping, Pong, Bye
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sized
from typing import TypeVar

import attrs
import msgpack

from kernel.message import Reason, SendErrorKind
from sys_processes.net.envelopes import LARGEST

T = TypeVar("T", bound=Sized)

VERSION = 1
HEADER = 4
GREETING_LIMIT = 4096
"""Bytes of a frame from somebody who has not proven who he is."""
FRAME_LIMIT = LARGEST + 64
NONCE_BYTES = 32
LONGEST_DETAIL = 1000
WATCHED = 64 * 1024
"""From so many bytes on it is counted what a frame is made of: ten million empty maps fit into one."""
MOST_PARTS = 16_384
"""Entries of lists and maps; a message with as many capabilities as are allowed has a third of that."""


class BadFrame(ValueError):
    """Bytes that are no frame, or one that has no place here. The link cannot go on."""


class Gap(BadFrame):
    """A frame, and one is missing before it: the way lost or reordered them. The next link brings both."""


class Goodbye(enum.StrEnum):
    """Why a side closes a link that works."""

    idle = "idle"
    crossed = "crossed"
    """Both sides dialled; the link of the other one is taken."""
    busy = "busy"
    refused = "refused"


@attrs.frozen
class Session:
    """What a side knows when a link begins.

    `instance` names its memory, `turn` counts its dials; `stream` is its own, `of_stream` the other side's as far as it
    knows, with what it received of that and what is settled.
    """

    instance: int
    turn: int
    stream: int
    of_stream: int
    received: int
    acked: int


@attrs.frozen
class Hello:
    name: str
    to: str
    key: bytes
    version: int = VERSION


@attrs.frozen
class Challenge:
    name: str
    nonce: bytes


@attrs.frozen
class Proof:
    signature: bytes
    session: Session


@attrs.frozen
class Welcome:
    session: Session


@attrs.frozen
class Data:
    """`fields` is what msgpack made of the message; `encode_data` is the other direction."""

    seq: int
    fields: object


@attrs.frozen
class Refuse:
    """The message of number `of` in that `stream` was not taken. Numbered itself, so that no cut loses it."""

    seq: int
    stream: int
    of: int
    kind: SendErrorKind
    reason: Reason
    detail: str


@attrs.frozen
class Ack:
    """All up to this number are settled, for who has all up to `after` of what this side wrote: of a refusal that was
    lost on the way the message must not count as taken.
    """

    seq: int
    after: int = 0


@attrs.frozen
class Ping:
    number: int


@attrs.frozen
class Pong:
    number: int


@attrs.frozen
class Bye:
    reason: Goodbye
    detail: str = ""


Greeting = Hello | Challenge | Proof | Welcome
Frame = Greeting | Data | Refuse | Ack | Ping | Pong | Bye

# -- out


def encode(frame: Greeting | Refuse | Ack | Ping | Pong | Bye) -> bytes:
    fields: dict[str, object] = {"t": _TAGS[type(frame)]}
    fields.update(attrs.asdict(frame))
    body: bytes = msgpack.packb(fields)
    return len(body).to_bytes(HEADER, "big") + body


_DATA_HEAD = b"\x83" + b"".join(msgpack.packb(word) for word in ("t", "data", "seq"))
_DATA_MESSAGE: bytes = msgpack.packb("message")


def encode_data(seq: int, message: bytes) -> bytes:
    """`message` is packed already: msgpack values are put together by writing one after the other."""
    head: bytes = _DATA_HEAD + msgpack.packb(seq) + _DATA_MESSAGE
    return (len(head) + len(message)).to_bytes(HEADER, "big") + head + message


# -- in


class FrameParser:
    """Takes bytes in any pieces. `limit` may be raised between frames."""

    __slots__ = ("_broken", "_buffer", "limit")

    def __init__(self, limit: int = GREETING_LIMIT) -> None:
        self.limit = limit
        self._buffer = bytearray()
        self._broken = False

    def feed(self, data: bytes | bytearray) -> None:
        self._buffer += data

    def take(self) -> Frame | None:
        """The next whole frame. Raises `BadFrame`, and from then on gives none."""
        buffer = self._buffer
        if self._broken or len(buffer) < HEADER:
            return None
        length = int.from_bytes(buffer[:HEADER], "big")
        if length > self.limit:
            self._break()
            raise BadFrame(f"a frame of {length} bytes, {self.limit} at most")
        end = HEADER + length
        if len(buffer) < end:
            return None
        with memoryview(buffer) as view:
            body = bytes(view[HEADER:end])
        del buffer[:end]
        try:
            return _frame(body)
        except BadFrame:
            self._break()
            raise

    def _break(self) -> None:
        self._broken = True
        self._buffer.clear()


def _frame(body: bytes) -> Frame:
    try:
        fields = msgpack.unpackb(body) if len(body) < WATCHED else _counted(body)
    except Exception as error:  # noqa: BLE001 - the library raises a dozen kinds, all of them about these bytes
        raise BadFrame(f"no msgpack: {error!r:.200}") from None
    if not isinstance(fields, dict):
        raise BadFrame(f"expected a map, found {type(fields).__name__}")
    tag = fields.get("t")
    read = _READERS.get(tag) if isinstance(tag, str) else None
    if read is None:
        raise BadFrame(f"a frame of the unknown kind {tag!r:.40}")
    return read(_Fields(fields))


def _counted(body: bytes) -> object:
    """Raises ValueError for more than `MOST_PARTS`, before they take memory."""
    found = 0

    def count(part: T) -> T:
        nonlocal found
        found += 1 + len(part)
        if found > MOST_PARTS:
            raise ValueError(f"more than {MOST_PARTS} parts")
        return part

    limits = {"max_array_len": MOST_PARTS, "max_map_len": MOST_PARTS}
    return msgpack.unpackb(body, object_hook=count, list_hook=count, **limits)


class _Fields:
    """The fields of one frame, each checked as it is read."""

    __slots__ = ("_found",)

    def __init__(self, found: dict[object, object]) -> None:
        self._found = found

    def any(self, name: str) -> object:
        try:
            return self._found[name]
        except KeyError:
            raise BadFrame(f"{name} is missing") from None

    def number(self, name: str) -> int:
        value = self.any(name)
        if value.__class__ is not int or not 0 <= value < 2**64:
            raise BadFrame(f"{name}: expected a number from 0 to 2**64 - 1, found {value!r:.60}")
        return value

    def text(self, name: str, longest: int = LONGEST_DETAIL) -> str:
        value = self.any(name)
        if not isinstance(value, str) or len(value) > longest:
            raise BadFrame(f"{name}: expected text of at most {longest} characters, found {value!r:.60}")
        return value

    def raw(self, name: str, length: int) -> bytes:
        value = self.any(name)
        if not isinstance(value, bytes) or len(value) != length:
            raise BadFrame(f"{name}: expected {length} bytes, found {value!r:.60}")
        return value

    def session(self) -> Session:
        value = self.any("session")
        if not isinstance(value, dict):
            raise BadFrame(f"session: expected a map, found {type(value).__name__}")
        inner = _Fields(value)
        return Session(
            inner.number("instance"),
            inner.number("turn"),
            inner.number("stream"),
            inner.number("of_stream"),
            inner.number("received"),
            inner.number("acked"),
        )


def _read_refuse(fields: _Fields) -> Refuse:
    kind, reason = fields.text("kind", 40), fields.text("reason", 40)
    try:
        return Refuse(
            fields.number("seq"),
            fields.number("stream"),
            fields.number("of"),
            SendErrorKind(kind),
            Reason(reason),
            fields.text("detail"),
        )
    except ValueError as error:
        raise BadFrame(f"refuse: {error}") from None


def _read_bye(fields: _Fields) -> Bye:
    reason = fields.text("reason", 40)
    try:
        return Bye(Goodbye(reason), fields.text("detail"))
    except ValueError as error:
        raise BadFrame(f"bye: {error}") from None


def _read_hello(fields: _Fields) -> Hello:
    return Hello(
        fields.text("name", 300), fields.text("to", 300), fields.raw("key", 32), fields.number("version")
    )


_READERS: dict[str, Callable[[_Fields], Frame]] = {
    "hello": _read_hello,
    "challenge": lambda fields: Challenge(fields.text("name", 300), fields.raw("nonce", NONCE_BYTES)),
    "proof": lambda fields: Proof(fields.raw("signature", 64), fields.session()),
    "welcome": lambda fields: Welcome(fields.session()),
    "data": lambda fields: Data(fields.number("seq"), fields.any("message")),
    "refuse": _read_refuse,
    "ack": lambda fields: Ack(fields.number("seq"), fields.number("after")),
    "ping": lambda fields: Ping(fields.number("number")),
    "pong": lambda fields: Pong(fields.number("number")),
    "bye": _read_bye,
}

_TAGS: dict[type, str] = {
    Hello: "hello",
    Challenge: "challenge",
    Proof: "proof",
    Welcome: "welcome",
    Refuse: "refuse",
    Ack: "ack",
    Ping: "ping",
    Pong: "pong",
    Bye: "bye",
}
