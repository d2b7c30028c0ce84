"""The fast lane and wsproto together hear what wsproto alone hears."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Event, Ping, Pong, TextMessage

from sys_processes.http_server.frame_lane import FrameLane
from sys_processes.http_server.masking import unmask

Heard = tuple[str, str | bytes | int]


def frame(first: int, payload: bytes, *, key: bytes = b"\x01\x02\x03\x04", masked: bool = True) -> bytes:
    size = len(payload)
    bit = 0x80 if masked else 0
    if size < 126:
        header = bytes((first, bit | size))
    elif size < 65536:
        header = bytes((first, bit | 126)) + size.to_bytes(2, "big")
    else:
        header = bytes((first, bit | 127)) + size.to_bytes(8, "big")
    return header + (key + unmask(payload, key) if masked else payload)


@attrs.define
class Ear:
    """Joins wsproto's events to whole messages."""

    heard: list[Heard] = attrs.Factory(list)
    parts: list[str | bytes] = attrs.Factory(list)

    def event(self, event: Event) -> None:
        match event:
            case TextMessage(data=data) | BytesMessage(data=data):
                self.parts.append(data if isinstance(data, str) else bytes(data))
                if event.message_finished:
                    kind = type(self.parts[0])
                    self.heard.append(("message", kind().join(self.parts)))  # type: ignore[arg-type]
                    self.parts = []
            case Ping(payload=payload):
                self.heard.append(("ping", bytes(payload)))
            case Pong(payload=payload):
                self.heard.append(("pong", bytes(payload)))
            case CloseConnection(code=code):
                self.heard.append(("close", int(code)))


def closed(heard: list[Heard]) -> bool:
    return any(kind == "close" for kind, _ in heard)


def through_wsproto(pieces: list[bytes]) -> list[Heard]:
    ear, wsproto = Ear(), Connection(ConnectionType.SERVER)
    for piece in pieces:
        if closed(ear.heard):
            break
        wsproto.receive_data(piece)
        for event in wsproto.events():
            ear.event(event)
    return ear.heard


def through_lane(pieces: list[bytes], max_message: int = 1 << 20) -> list[Heard]:
    ear, wsproto, lane = Ear(), Connection(ConnectionType.SERVER), FrameLane(max_message)
    for piece in pieces:
        data = piece
        while not closed(ear.heard):
            messages, rest = lane.take(data)
            ear.heard += [("message", message) for message in messages]
            if not rest:
                break
            wsproto.receive_data(rest)
            for event in wsproto.events():
                ear.event(event)
            data = b""
    return ear.heard


def cut(data: bytes, sizes: list[int]) -> list[bytes]:
    pieces = []
    for size in sizes:
        pieces.append(data[:size])
        data = data[size:]
    return [piece for piece in [*pieces, data] if piece]


PAYLOADS = st.one_of(st.binary(max_size=130), st.text(max_size=40).map(str.encode), st.just(b"x" * 70000))
KEYS = st.binary(min_size=4, max_size=4)
WHOLE = st.builds(
    lambda first, payload, key: frame(first, payload, key=key), st.sampled_from([0x81, 0x82]), PAYLOADS, KEYS
)
CONTROL = st.builds(frame, st.sampled_from([0x89, 0x8A]), st.binary(max_size=125))
FRAGMENTED = st.builds(
    lambda first, parts, last, ping: (
        frame(first, parts[0]) + b"".join(ping + frame(0, part) for part in parts[1:]) + frame(0x80, last)
    ),
    st.sampled_from([0x01, 0x02]),
    st.lists(st.binary(max_size=20), min_size=1, max_size=4),
    st.binary(max_size=20),
    st.sampled_from([b"", frame(0x89, b"hi")]),
)
WRONG = st.one_of(
    st.builds(lambda first: frame(first, b"abc"), st.integers(0, 255)),
    st.just(frame(0x81, b"abc", masked=False)),
    st.just(b"\x81\xfe\x00\x05\0\0\0\0hello"),
    st.just(b"\x81\xff" + (5).to_bytes(8, "big") + b"\0\0\0\0hello"),
    st.just(b"\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0"),
    st.just(b"\x89\xfe\x00\x80\0\0\0\0" + b"p" * 128),
    st.binary(min_size=1, max_size=20),
)
CLOSE = st.builds(
    frame,
    st.just(0x88),
    st.sampled_from([b"", b"\x03\xe8", b"\x03\xe9bye", b"\x03", b"\x00\x01", b"\x03\xe8\xff"]),
)


@given(
    frames=st.lists(st.one_of(WHOLE, CONTROL, FRAGMENTED, WRONG, CLOSE), max_size=8),
    sizes=st.lists(st.integers(0, 300), max_size=8),
)
def test_any_stream_cut_anywhere_says_the_same_with_and_without_the_lane(
    frames: list[bytes], sizes: list[int]
) -> None:
    pieces = cut(b"".join(frames), sizes)
    lane, plain = through_lane(pieces), through_wsproto(pieces)
    if closed(lane) and closed(plain):
        assert lane == plain
    else:
        # Of a text that breaks off inside, wsproto reports the bad byte before the end of the frame.
        shorter = min(len(lane), len(plain))
        assert lane[:shorter] == plain[:shorter]
        assert all(kind == "close" for kind, _ in [*lane[shorter:], *plain[shorter:]])


@given(frames=st.lists(st.one_of(WHOLE, CONTROL, FRAGMENTED), max_size=6))
def test_byte_by_byte_is_the_same_as_whole(frames: list[bytes]) -> None:
    data = b"".join(frames)[:3000]
    assert through_lane([data[at : at + 1] for at in range(len(data))]) == through_lane(
        [data] if data else []
    )


def test_whole_messages_never_reach_wsproto() -> None:
    lane = FrameLane(100)
    messages, rest = lane.take(frame(0x81, "é".encode()) + frame(0x82, b"\xff"))
    assert (messages, rest) == (["é", b"\xff"], b"")


@pytest.mark.parametrize("first", [0x81, 0x82, 0x01, 0x02])
def test_a_frame_beyond_the_limit_is_noticed_by_its_header(first: int) -> None:
    lane = FrameLane(1000)
    assert lane.take(frame(0x82, b"x" * 1000)) == ([b"x" * 1000], b"")
    assert not lane.too_big
    assert lane.take(frame(0x81, b"before") + frame(first, b"x" * 1001)[:8]) == (["before"], b"")
    assert lane.too_big


def test_a_piece_of_a_message_beyond_the_limit_is_noticed_by_its_header() -> None:
    lane = FrameLane(1000)
    lane.take(frame(0x01, b"first"))
    lane.take(b"")
    lane.take(frame(0x80, b"x" * 1001)[:8])
    assert lane.too_big


def test_control_frames_are_no_messages_and_have_a_limit_of_their_own() -> None:
    lane = FrameLane(10)
    ping = frame(0x89, b"p" * 125)
    assert lane.take(ping) == ([], ping)
    assert not lane.too_big


@pytest.mark.parametrize("data", [b"\x81\x00", b"\xf1\x80", b"\x83\x80", b"\x80\x80"])
def test_a_wrong_frame_is_passed_on_as_soon_as_it_shows(data: bytes) -> None:
    assert FrameLane(100).take(data) == ([], data)
