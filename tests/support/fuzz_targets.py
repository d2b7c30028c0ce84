"""What strangers' bytes reach first, each as a function of bytes that raises when a rule is broken.

`scripts/fuzz` runs these for as long as one likes, `test_fuzz_targets` a small sample. The first bytes of an input
say into which pieces the rest is cut.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress

import msgpack

from kernel.codec import Malformed
from runtime.links.frames import FRAME_LIMIT as WEBSOCKET_LIMIT
from runtime.links.frames import BadFrames, FrameReader
from sys_processes.http_server.http1 import HEAD_BYTES, BadRequest, RequestParser
from sys_processes.http_server.protocol import ACTION
from sys_processes.net.effects import CloseLink, Deliver, GiveBack
from sys_processes.net.envelopes import BadMessage, Untransportable, pack_message, read_message
from sys_processes.net.frames import FRAME_LIMIT, GREETING_LIMIT, BadFrame, FrameParser, Session
from tests.sys_processes.net.between_cores import FULL, A, B, Cores, Stranger

C = "carol.uq"
CUTS = 4
"""Bytes that say how long the pieces are, in turns."""


def cut(data: bytes) -> tuple[bytes, list[bytes]]:
    """All of it, and in pieces."""
    sizes, whole = [size + 1 for size in data[:CUTS]], data[CUTS:]
    pieces, at = [], 0
    while at < len(whole):
        size = sizes[len(pieces) % len(sizes)]
        pieces.append(whole[at : at + size])
        at += size
    return whole, pieces


# -- frames of a link


def frames_of(pieces: list[bytes], limit: int) -> tuple[list[object], str | None]:
    """The frames, and what is wrong behind them."""
    parser, found = FrameParser(limit), list[object]()
    for piece in pieces:
        parser.feed(piece)
        try:
            while (frame := parser.take()) is not None:
                found.append(frame)
        except BadFrame as error:
            return found, str(error)
        assert len(parser._buffer) <= limit + len(piece)
    return found, None


def link_frames(data: bytes) -> None:
    """One outcome, whatever the pieces; nothing but `BadFrame`."""
    whole, pieces = cut(data)
    for limit in (GREETING_LIMIT, FRAME_LIMIT):
        # A tree of msgpack may hold what is not equal to itself.
        assert repr(frames_of(pieces, limit)) == repr(frames_of([whole] if whole else [], limit))


def framed(data: bytes) -> Iterator[bytes]:
    """Most of it as bodies of frames whose lengths are right, so that more comes through the first door."""
    at = 0
    while at < len(data):
        size = data[at]
        body = data[at + 1 : at + 1 + size]
        yield body if size == 0xFF else len(body).to_bytes(4, "big") + body
        at += 1 + size


def link_greeting(data: bytes) -> None:
    """A stranger is not taken for anybody, reaches no process, and is gone after five seconds at the latest."""
    cores = Cores(A, B, C)
    stranger = Stranger(cores)
    core = cores.cores[B]
    for piece in framed(data):
        effects = core.received(stranger.number, piece, cores.now)
        assert not any(isinstance(effect, Deliver | GiveBack) for effect in effects)
        cores.perform(B, effects)
    assert core.peers(cores.now) == []
    assert len(stranger.here.arriving) <= 2 * GREETING_LIMIT
    cores.pass_time(5.1)
    assert stranger.is_closed


def link_conversation(data: bytes) -> None:
    """Whatever a proven node says, each message of ours has one outcome, and others go on."""
    cores, refuses = Cores(A, B, C), data[:1] > b"\x80"
    alice = Stranger(cores)
    alice.prove(A, Session(1, 1, 2, 0, 0, 0))
    told = cores.send(B, A)
    for piece in framed(data[1:]):
        if alice.is_closed:
            break
        effects = cores.cores[B].received(alice.number, piece, cores.now)
        for effect in effects:
            match effect:
                case Deliver(_, _, envelope):
                    assert (envelope.source.node, envelope.target.node) == (A, B)
                    if refuses:
                        cores.perform(B, cores.cores[B].not_taken(effect, FULL))
                case CloseLink(number):
                    assert number == alice.number
                    cores.perform(B, [effect])
                case _:
                    cores.perform(B, [effect])
    assert told.delivered == 0
    assert len(told.given_back) <= 1
    other = cores.send(C, B, b"well?")
    cores.dials = type(cores.dials)(dial for dial in cores.dials if dial[0] == C)
    near, far = cores.connect()
    for _ in range(10):
        cores.move(near)
        cores.move(far)
    assert other.delivered == 1 or other.given_back


# -- what carries them


def stream_of(pieces: list[bytes], *, masked: bool) -> tuple[bytes, object, str | None]:
    reader, found = FrameReader(masked=masked), b""
    for piece in pieces:
        try:
            found += reader.feed(piece)
        except BadFrames as error:
            return found, reader.ping, str(error)
        assert reader.ping is None or len(reader.ping) <= 125
        assert reader._left <= WEBSOCKET_LIMIT
    return found, (reader.ping, reader.ended), None


def websocket_frames(data: bytes) -> None:
    """One stream, whatever the pieces; nothing but `BadFrames`."""
    whole, pieces = cut(data)
    for masked in (True, False):
        told, in_pieces = stream_of([whole], masked=masked), stream_of(pieces, masked=masked)
        # Before what is wrong, a whole feed gives nothing.
        assert in_pieces[2] == told[2]
        assert in_pieces == told or told[2] is not None


def http_head(data: bytes) -> None:
    """One request or refusal, whatever the pieces; nothing but `BadRequest`."""
    whole, pieces = cut(data)
    first: object = None
    for parts in ([whole], pieces):
        parser, found = RequestParser(), list[object]()
        try:
            for part in parts:
                parser.feed(part)
                while (head := parser.head()) is not None:
                    found.append((head.method, head.path, head.length))
                    if head.length != 0:
                        break
                if found and found[-1][2] != 0:
                    break
                assert parser.unread <= HEAD_BYTES + len(part)
        except BadRequest:
            # Which of two faults is told may depend on where a piece ends.
            found.append("refused")
        if first is None:
            first = found[:1]
    assert found[:1] == first or not whole


# -- messages


def net_message(data: bytes) -> None:
    """What is read is written as something that is read as the same; nothing but `BadMessage`."""
    try:
        fields = msgpack.unpackb(data)
    except Exception:  # noqa: BLE001 - as the library likes; the frame parser has the same
        return
    with suppress(BadMessage, Untransportable):
        message = read_message(fields)
        assert repr(read_message(msgpack.unpackb(pack_message(message)))) == repr(message)


def json_action(data: bytes) -> None:
    """The same for what processes ask of http_server."""
    with suppress(Malformed):
        action = ACTION.decode(data)
        assert repr(ACTION.decode(ACTION.encode(action))) == repr(action)


TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__.replace("_", "-"): target
    for target in (
        link_frames, link_greeting, link_conversation, websocket_frames, http_head, net_message, json_action,
    )
}  # fmt: skip
