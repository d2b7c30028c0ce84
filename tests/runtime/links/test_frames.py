"""The frames of a link: any bytes in any pieces, what is refused, and wsproto as the oracle."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong

from runtime.links.frames import FRAME_LIMIT, BadFrames, FrameReader, FrameWriter

SIZES = (0, 1, 125, 126, 65535, 65536, FRAME_LIMIT)
roles = pytest.mark.parametrize("masked", [True, False])


def peer(*, masked: bool) -> Connection:
    """The other end, by another library: it reads what we write with that `masked`, and writes what we read with the
    other one.
    """
    return Connection(ConnectionType.SERVER if masked else ConnectionType.CLIENT)


@roles
@given(
    payloads=st.lists(st.binary(max_size=300), max_size=8),
    cuts=st.lists(st.integers(1, 400), min_size=1, max_size=20),
)
def test_what_is_written_is_read_however_it_is_cut(masked, payloads, cuts):
    reader, writer = FrameReader(masked=masked), FrameWriter(masked=masked)
    wire = b"".join(map(writer.data, payloads)) + writer.close()
    read, turn = b"", 0
    while wire:
        size = cuts[turn % len(cuts)]
        read += reader.feed(wire[:size])
        wire = wire[size:]
        turn += 1
    assert read == b"".join(payloads)
    assert reader.ended


@roles
@pytest.mark.parametrize("size", SIZES)
def test_frames_of_every_length_are_read_by_another_library_and_byte_by_byte(masked, size):
    payload = (bytes(range(251)) * (size // 251 + 1))[:size]
    frame = FrameWriter(masked=masked).data(payload)
    other = peer(masked=masked)
    other.receive_data(frame)
    read = [event.data for event in other.events() if isinstance(event, BytesMessage)]
    assert b"".join(map(bytes, read)) == payload
    reader = FrameReader(masked=masked)
    head = frame[:20]
    assert b"".join(reader.feed(bytes([byte])) for byte in head) + reader.feed(frame[20:]) == payload


@roles
def test_what_another_library_sends_in_fragments_is_one_stream(masked):
    other = peer(masked=not masked)
    wire = other.send(BytesMessage(b"ab", message_finished=False))
    wire += other.send(Ping(b"there?"))
    wire += other.send(BytesMessage(b"cd", message_finished=False))
    wire += other.send(BytesMessage(b"ef"))
    wire += other.send(BytesMessage(b"gh"))
    wire += other.send(CloseConnection(1000, "bye"))
    for size in (1, 3, len(wire)):
        reader = FrameReader(masked=masked)
        pieces = [wire[at : at + size] for at in range(0, len(wire), size)]
        assert b"".join(map(reader.feed, pieces)) == b"abcdefgh"
        assert reader.ping == b"there?"
        assert reader.ended
        assert reader.feed(b"more") == b""


@roles
def test_a_pong_and_a_close_are_what_another_library_takes_them_for(masked):
    writer, other = FrameWriter(masked=masked), peer(masked=masked)
    other.receive_data(writer.pong(b"here") + writer.close())
    pong, close = other.events()
    assert isinstance(pong, Pong)
    assert bytes(pong.payload) == b"here"
    assert isinstance(close, CloseConnection)
    assert close.code == 1000


def test_masks_differ_from_frame_to_frame():
    writer = FrameWriter(masked=True)
    assert len({writer.data(b"the same")[2:6] for _ in range(8)}) > 1


@pytest.mark.parametrize(
    ("frame", "problem"),
    [
        (b"\x81\x01x", "begins with 0x81"),
        (b"\xc2\x01x", "begins with 0xc2"),
        (b"\x83\x01x", "begins with 0x83"),
        (b"\x82\x81abcd\x00", "is masked"),
        (b"\x80\x01x", "goes on where none is"),
        (b"\x02\x01x\x82\x01x", "inside another one"),
        (b"\x09\x01x", "a control frame"),
        (b"\x88\x7e\x01\x00", "a control frame of 256 bytes"),
        (b"\x82\x7f" + (FRAME_LIMIT + 1).to_bytes(8, "big"), f"a frame of {FRAME_LIMIT + 1} bytes"),
        (b"\x82\x7f" + b"\xff" * 8, "a frame of"),
        (b"HTTP/1.1 400 Bad Request\r\n", "begins with 0x48"),
    ],
)
def test_what_has_no_place_on_a_link_is_refused(frame, problem):
    with pytest.raises(BadFrames, match=problem):
        FrameReader(masked=False).feed(frame)


def test_a_client_that_does_not_mask_is_refused():
    with pytest.raises(BadFrames, match="not masked"):
        FrameReader(masked=True).feed(b"\x82\x01x")


@roles
@given(noise=st.lists(st.binary(min_size=1, max_size=40), max_size=10))
def test_noise_is_read_or_refused_and_never_held(masked, noise):
    reader = FrameReader(masked=masked)
    fed = 0
    for piece in noise:
        fed += len(piece)
        try:
            read = reader.feed(piece)
        except BadFrames:
            return
        assert len(read) <= len(piece)
        assert len(reader._head) < 14
        assert len(reader._control) <= 125
