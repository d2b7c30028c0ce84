"""What two nodes say to each other on a link: frames of a 4-byte big-endian length and a msgpack map.

dialler   Hello ->            <- Challenge             who are you, and can you prove it
          Proof ->            <- Welcome               what each side has of the other's stream
both      Data, Refuse        numbered, in order, sent again after a cut until they are acknowledged
          Ack, Ping, Pong, Bye
router    Relay ->                                     somebody wants you: come and meet him
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sized
from typing import TypeVar

import attrs
import msgpack

from kernel.message import Reason, SendErrorKind
from sys_processes.net.envelopes import LARGEST
from sys_processes.net.prefaces import TOKEN_BYTES

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
LEAST_PART = 16 * 1024
"""A large frame is kept in parts of so many bytes at least: each has a price of its own."""
MOST_PARTS = 16_384
"""Entries of lists and maps; a message with as many capabilities as are allowed has far fewer."""


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
class Relay:
    """From a router to a node that is reached through it: somebody who is known waits for you. Come to the router's
    `/net` with this token, and accept what comes there as a link.
    """

    token: bytes


@attrs.frozen
class Bye:
    reason: Goodbye
    detail: str = ""


Greeting = Hello | Challenge | Proof | Welcome
Frame = Greeting | Data | Refuse | Ack | Ping | Pong | Relay | Bye

# -- out


def encode(frame: Greeting | Refuse | Ack | Ping | Pong | Relay | Bye) -> bytes:
    fields: dict[str, object] = {"t": _TAGS[type(frame)]}
    fields.update(attrs.asdict(frame))
    body: bytes = msgpack.packb(fields)
    return len(body).to_bytes(HEADER, "big") + body


_DATA_HEAD = b"\x83" + b"".join(msgpack.packb(word) for word in ("t", "data", "seq"))
_DATA_MESSAGE: bytes = msgpack.packb("message")


def encode_data(seq: int, message: bytes, tail: int = 0) -> bytes:
    """`message` is packed already: msgpack values are put together by writing one after the other. So many more bytes
    of it, the `tail`, are to be written behind this.
    """
    head: bytes = _DATA_HEAD + msgpack.packb(seq) + _DATA_MESSAGE
    return (len(head) + len(message) + tail).to_bytes(HEADER, "big") + head + message


# -- in


class FrameParser:
    """Takes bytes in any pieces. `limit` may be raised between frames."""

    __slots__ = ("_broken", "_buffer", "_missing", "_parts", "limit")

    def __init__(self, limit: int = GREETING_LIMIT) -> None:
        self.limit = limit
        self._buffer = bytearray()
        self._parts: list[bytes] = []
        """What is there of a large frame: it is put together once, when all of it has come."""
        self._missing = 0
        self._broken = False

    def feed(self, data: bytes | bytearray) -> None:
        if not self._missing:
            self._buffer += data
            return
        part = data[: self._missing]
        self._buffer += data[len(part) :]
        self._missing -= len(part)
        if len(self._parts[-1]) < LEAST_PART:
            self._parts[-1] += part
        else:
            self._parts.append(bytes(part))

    def take(self) -> Frame | None:
        """The next whole frame. Raises `BadFrame`, and from then on gives none."""
        if self._parts:
            return self._take_large()
        buffer = self._buffer
        if self._broken or len(buffer) < HEADER:
            return None
        length = int.from_bytes(buffer[:HEADER], "big")
        if length > self.limit:
            self._break()
            raise BadFrame(f"a frame of {length} bytes, {self.limit} at most")
        end = HEADER + length
        if len(buffer) < end:
            if length >= WATCHED and len(buffer) > HEADER:
                self._missing = end - len(buffer)
                self._parts.append(bytes(buffer[HEADER:]))
                buffer.clear()
            return None
        with memoryview(buffer) as view:
            body = bytes(view[HEADER:end])
        del buffer[:end]
        return self._read(body)

    def _take_large(self) -> Frame | None:
        if self._missing:
            return None
        parts, self._parts = self._parts, []
        return _data_of(parts) or self._read(b"".join(parts))

    def _read(self, body: bytes) -> Frame:
        try:
            return _frame(body)
        except BadFrame:
            self._break()
            raise

    def _break(self) -> None:
        self._broken = True
        self._buffer.clear()
        self._parts.clear()


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


_NO_BYTES = b"\xc4\x00"
_BIN_32 = 0xC6
_BIN_HEAD = 5


def _data_of(parts: list[bytes]) -> Data | None:
    """A large message as we write it ourselves: its payload comes last, and is put together without a further copy.
    None for anything else, which is to be read as a whole.
    """
    first = parts[0]
    start = _payload_start(first)
    if start is None or first[start : start + 1] != bytes((_BIN_32,)):
        return None
    begin = start + _BIN_HEAD
    size = int.from_bytes(first[start + 1 : begin], "big")
    if begin > len(first) or begin + size != sum(map(len, parts)):
        return None
    try:
        frame = _frame(first[:start] + _NO_BYTES)
    except BadFrame:
        return None
    with memoryview(first) as view:
        payload = b"".join((view[begin:], *parts[1:]))
    return _with_payload(frame, payload)


def _payload_start(first: bytes) -> int | None:
    """Where in a data frame that begins so the payload's bytes begin; None when its fields are not in our order."""
    reader = msgpack.Unpacker(max_buffer_size=len(first))
    reader.feed(first)
    try:
        if reader.read_map_header() != 3 or reader.unpack() != "t" or reader.unpack() != "data":
            return None
        if reader.unpack() != "seq" or reader.skip() or reader.unpack() != "message":
            return None
        for _ in range(reader.read_map_header()):
            if reader.unpack() == "payload":
                break
            reader.skip()
        if reader.read_map_header() != 2 or reader.unpack() != "mime" or reader.skip():
            return None
        if reader.unpack() != "bytes":
            return None
        return int(reader.tell())
    except Exception:  # noqa: BLE001 - whatever is wrong is found, and named, when the whole is read
        return None


def _with_payload(frame: Frame, payload: bytes) -> Data | None:
    match frame:
        case Data(_, {"payload": {"bytes": b""} as fields}):
            fields["bytes"] = payload
            return frame
        case _:
            return None


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
    "relay": lambda fields: Relay(fields.raw("token", TOKEN_BYTES)),
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
    Relay: "relay",
    Bye: "bye",
}
