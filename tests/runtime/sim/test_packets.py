"""What a node writes is cut into frames, whatever the pieces in which it writes it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kernel.address import Address
from kernel.message import KernelMessage, Request
from runtime.sim.packets import BYTES, PIECE, Packet, Splitter
from sys_processes.net.envelopes import pack_message
from sys_processes.net.frames import Ack, Bye, Goodbye, Hello, Ping, Session, Welcome, encode, encode_data

MESSAGE = KernelMessage(
    77, Address.from_str("a@p:p:p"), Address.from_str("b@p:p:p"), None, Request(ipc=b"x"), None
)
FRAMES = [
    ("hello", encode(Hello("a", "b", b"k" * 32))),
    ("welcome", encode(Welcome(Session(1, 2, 3, 4, 5, 6)))),
    ("data", encode_data(5, pack_message(MESSAGE))),
    ("ack", encode(Ack(1))),
    ("ping", encode(Ping(2**40))),
    ("bye", encode(Bye(Goodbye.idle, "x" * 300))),
]


def split(pieces: list[bytes]) -> list[tuple[str, bytes]]:
    splitter = Splitter()
    found = [part for piece in pieces for part in splitter.split(piece)]
    return found + splitter.rest()


@given(st.lists(st.sampled_from(FRAMES), min_size=1, max_size=6), st.data())
def test_frames_are_whole_in_whatever_pieces_they_are_written(frames, data):
    whole = b"".join(frame for _, frame in frames)
    first = len(frames[0][1])
    # The first frame of a link is written at once, by which it is known that frames are spoken.
    cuts = sorted(data.draw(st.lists(st.integers(first, len(whole)), max_size=5)))
    pieces = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    assert split(pieces) == frames


@given(st.lists(st.binary(max_size=200), max_size=6))
def test_nothing_is_lost_or_changed_of_other_bytes(pieces):
    assert b"".join(part for _, part in split(pieces)) == b"".join(pieces)


@given(
    st.lists(st.one_of(st.binary(max_size=60), st.sampled_from([frame for _, frame in FRAMES])), max_size=8)
)
def test_nothing_is_lost_or_changed_of_a_mixture(pieces):
    assert b"".join(part for _, part in split(pieces)) == b"".join(pieces)


def test_what_is_no_frame_passes_at_once_in_packets_of_a_bounded_size():
    assert split([b"x" * (PIECE + 1)]) == [(BYTES, b"x" * PIECE), (BYTES, b"x")]
    assert Splitter().split(b"abc") == [(BYTES, b"abc")]


def test_a_packet_tells_what_it_carries():
    def packet(kind: str, data: bytes) -> Packet:
        return Packet(3, "a", "b", kind, data, 0.0, 0.0)

    kind, data = FRAMES[2]
    found = packet(kind, data).message
    assert found is not None
    assert (found.id, found.source, found.target) == (77, MESSAGE.source, MESSAGE.target)
    assert str(packet(kind, data)) == "data 3, message 77"
    assert str(packet("ack", FRAMES[3][1])) == "ack 3"
    assert str(packet(BYTES, b"abc")) == "bytes 3 of 3 bytes"
    assert packet("data", encode_data(1, b"\xc0")).message is None
    assert packet("data", b"\0\0\0\1\xc0").message is None
