"""Frames: their bytes, any chunking, and garbage (PROTOCOL 9.3)."""

from __future__ import annotations

import json

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.address import Address
from kernel.capability import Capability, SignedCapability
from kernel.message import KernelMessage, Payload, Reason, Request, Response, SendErrorKind
from runtime.sim.strategies import U64, text
from sys_processes.net.envelopes import pack_message
from sys_processes.net.frames import (
    FRAME_LIMIT,
    GREETING_LIMIT,
    LEAST_PART,
    WATCHED,
    Ack,
    BadFrame,
    Bye,
    Challenge,
    Data,
    Frame,
    FrameParser,
    Goodbye,
    Hello,
    Ping,
    Pong,
    Proof,
    Refuse,
    Relay,
    Session,
    Welcome,
    encode,
    encode_data,
)
from tests.support.golden import golden

SESSION = Session(1, 2, 3, 4, 5, 6)
EACH = {
    "hello": Hello("alice.uq", "bob.uq", b"\1" * 32),
    "challenge": Challenge("bob.uq", b"\2" * 32),
    "proof": Proof(b"\3" * 64, SESSION),
    "welcome": Welcome(SESSION),
    "refuse": Refuse(7, 8, 9, SendErrorKind.Timeout, Reason.mailbox_full, "full"),
    "ack": Ack(2**64 - 1, 7),
    "ping": Ping(1),
    "pong": Pong(1),
    "relay": Relay(b"\4" * 32),
    "bye": Bye(Goodbye.crossed, "why"),
}


def parsed(raw: bytes, limit: int = FRAME_LIMIT) -> list[Frame]:
    parser = FrameParser(limit)
    parser.feed(raw)
    return list(iter(parser.take, None))


def framed(body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + body


@pytest.mark.parametrize("name", EACH)
def test_the_bytes_of_each_frame_are_these(name):
    assert encode(EACH[name]).hex() == json.loads(golden(f"net_frames/{name}"))
    assert parsed(encode(EACH[name])) == [EACH[name]]


def test_a_message_is_put_into_its_frame_as_it_was_packed():
    raw = encode_data(300, msgpack.packb({"a": b"b"}))
    assert raw.hex() == json.loads(golden("net_frames/data"))
    assert parsed(raw) == [Data(300, {"a": b"b"})]
    assert msgpack.unpackb(raw[4:]) == {"t": "data", "seq": 300, "message": {"a": b"b"}}


def sessions() -> st.SearchStrategy[Session]:
    return st.builds(Session, U64, U64, U64, U64, U64, U64)


def frames() -> st.SearchStrategy[Frame]:
    key, signature = st.binary(min_size=32, max_size=32), st.binary(min_size=64, max_size=64)
    return st.one_of(
        st.builds(Hello, text(), text(), key, U64),
        st.builds(Challenge, text(), key),
        st.builds(Proof, signature, sessions()),
        st.builds(Welcome, sessions()),
        st.builds(Refuse, U64, U64, U64, st.sampled_from(SendErrorKind), st.sampled_from(Reason), text()),
        st.builds(Ack, U64),
        st.builds(Ping, U64),
        st.builds(Pong, U64),
        st.builds(Relay, key),
        st.builds(Bye, st.sampled_from(Goodbye), text()),
    )


@given(st.lists(frames(), max_size=6), st.lists(st.integers(1, 40), min_size=1, max_size=20))
def test_frames_come_out_as_they_went_in_whatever_the_pieces(sent, sizes):
    raw = b"".join(encode(frame) for frame in sent)
    parser, found, place, turn = FrameParser(), [], 0, 0
    while place < len(raw):
        parser.feed(raw[place : place + sizes[turn % len(sizes)]])
        place += sizes[turn % len(sizes)]
        turn += 1
        found += list(iter(parser.take, None))
    assert found == sent


def large(payload: bytes, ipc: bytes = b"hi") -> KernelMessage:
    alice = Address("a.uq", "a:t:t")
    request = Request(False, 5, ipc, "meta", (Capability(alice, "{}"),))
    return KernelMessage(7, alice, Address("b.uq", "b:t:t"), alice, request, Payload("text/plain", payload))


@given(
    st.integers(WATCHED - 300, WATCHED + 300) | st.integers(0, 3 * WATCHED),
    st.booleans(),
    st.lists(st.integers(1, WATCHED), min_size=1, max_size=5),
)
def test_large_messages_come_out_as_they_went_in_whatever_the_pieces(size, is_ipc, sizes):
    data = bytes(range(251)) * (size // 251) + b"x" * (size % 251)
    packed = pack_message(large(b"short", data) if is_ipc else large(data))
    raw = encode(Ping(1)) + encode_data(1, packed) + encode(Ping(2)) + encode_data(2, packed)
    parser, found, place, turn = FrameParser(FRAME_LIMIT), [], 0, 0
    while place < len(raw):
        parser.feed(raw[place : place + sizes[turn % len(sizes)]])
        place += sizes[turn % len(sizes)]
        turn += 1
        found += list(iter(parser.take, None))
    message = msgpack.unpackb(packed)
    assert found == [Ping(1), Data(1, message), Ping(2), Data(2, message)]


def test_a_large_frame_in_tiny_pieces_is_kept_in_few_parts():
    raw = encode_data(1, pack_message(large(b"x" * WATCHED)))
    parser = FrameParser(FRAME_LIMIT)
    for place in range(len(raw) - 1):
        parser.feed(raw[place : place + 1])
        assert parser.take() is None
    assert len(parser._parts) <= len(raw) // LEAST_PART + 1
    parser.feed(raw[-1:])
    assert isinstance(parser.take(), Data)


def outcome(raw: bytes, first: int) -> object:
    """The frame in these bytes, or what is wrong with it, when so many of them come first."""
    parser = FrameParser(FRAME_LIMIT)
    try:
        parser.feed(raw[:first])
        assert parser.take() is None
        parser.feed(raw[first:])
        return parser.take()
    except BadFrame as error:
        return str(error)


@given(st.integers(4, 400), st.binary(min_size=1, max_size=6), st.sampled_from([150, 400, 5000]))
def test_a_large_message_with_changed_bytes_is_the_same_in_one_piece_and_in_two(place, change, first):
    raw = bytearray(encode_data(1, pack_message(large(b"\xc4\x00" * WATCHED))))
    raw[place : place + len(change)] = change
    raw[:4] = (len(raw) - 4).to_bytes(4, "big")
    parser = FrameParser(FRAME_LIMIT)
    parser.feed(raw)
    try:
        whole: object = parser.take()
    except BadFrame as error:
        whole = str(error)
    assert outcome(bytes(raw), first) == whole


def test_a_large_map_in_another_order_is_read_all_the_same():
    message = msgpack.unpackb(pack_message(large(b"x" * WATCHED)))
    turned = {"payload": message.pop("payload"), **message}
    raw = encode_data(1, msgpack.packb(turned))
    assert outcome(raw, 1000) == Data(1, turned)


@given(st.binary(max_size=200))
def test_garbage_raises_one_typed_error_or_is_not_yet_a_frame(raw):
    for data in (raw, framed(raw)):
        parser = FrameParser()
        parser.feed(data)
        try:
            while parser.take() is not None:
                pass
        except BadFrame:
            parser.feed(encode(Ack(1)))
            assert parser.take() is None


@given(st.sampled_from(sorted(EACH)), st.data())
def test_a_frame_with_one_byte_changed_is_read_or_refused(name, data):
    raw = bytearray(encode(EACH[name]))
    place = data.draw(st.integers(4, len(raw) - 1))
    raw[place] = data.draw(st.integers(0, 255))
    try:
        found = parsed(bytes(raw))
    except BadFrame:
        return
    assert len(found) == 1


class TestWhatIsRefused:
    @pytest.mark.parametrize(
        ("fields", "told"),
        [
            ([], "expected a map, found list"),
            ({}, "unknown kind None"),
            ({"t": ["ack"]}, "unknown kind"),
            ({"t": "shout"}, "unknown kind 'shout'"),
            ({"t": "ack"}, "seq is missing"),
            ({"t": "ack", "seq": -1}, "seq: expected a number"),
            ({"t": "ack", "seq": True}, "seq: expected a number"),
            ({"t": "ack", "seq": "1"}, "seq: expected a number"),
            ({"t": "challenge", "name": 1, "nonce": b"\0" * 32}, "name: expected text"),
            ({"t": "challenge", "name": "x" * 301, "nonce": b"\0" * 32}, "name: expected text"),
            ({"t": "challenge", "name": "x", "nonce": b"\0" * 31}, "nonce: expected 32 bytes"),
            ({"t": "welcome", "session": 1}, "session: expected a map"),
            ({"t": "welcome", "session": {"instance": 1}}, "turn is missing"),
            ({"t": "relay", "token": b"short"}, "token: expected 32 bytes"),
            ({"t": "bye", "reason": "bored", "detail": ""}, "bye: 'bored'"),
            ({"t": "data", "seq": 1}, "message is missing"),
            (
                {"t": "refuse", "seq": 1, "stream": 1, "of": 1, "kind": "Lost", "reason": "x", "detail": ""},
                "refuse: 'Lost'",
            ),
        ],
    )
    def test_a_map_that_is_no_frame(self, fields, told):
        with pytest.raises(BadFrame, match=told):
            parsed(framed(msgpack.packb(fields)))

    def test_bytes_after_the_map(self):
        with pytest.raises(BadFrame, match="no msgpack"):
            parsed(framed(encode(Ack(1))[4:] + b"\0"))

    def test_a_map_nested_without_end(self):
        with pytest.raises(BadFrame, match="no msgpack"):
            parsed(framed(b"\x91" * 4000))

    def test_a_frame_above_the_limit_before_its_bytes_have_come(self):
        parser = FrameParser()
        parser.feed((GREETING_LIMIT + 1).to_bytes(4, "big"))
        with pytest.raises(BadFrame, match="a frame of 4097 bytes, 4096 at most"):
            parser.take()

    @pytest.mark.parametrize("empty", [b"\x80", b"\x90"], ids=["maps", "lists"])
    def test_a_large_frame_of_nothing_but_empty_parts_ends_at_the_first_too_many(self, empty):
        """Whole, ten million of them would take 700 MiB, and hold up the node for seconds."""
        inner = b"\xdc" + (16_000).to_bytes(2, "big") + empty * 16_000
        body = b"\xdc" + (1000).to_bytes(2, "big") + inner * 1000
        with pytest.raises(BadFrame, match="more than 16384 parts"):
            parsed(framed(body[: FRAME_LIMIT - 1]))

    def test_a_list_that_is_too_long_in_itself(self):
        body = b"\xdd" + (70_000).to_bytes(4, "big") + b"\xc0" * 70_000
        with pytest.raises(BadFrame, match="no msgpack"):
            parsed(framed(body))

    def test_a_large_message_with_as_many_capabilities_as_are_allowed_is_none_of_these(self):
        (frame,) = parsed(framed_data(64))
        assert isinstance(frame, Data)


def framed_data(capabilities: int) -> bytes:
    alice = Address("alice.uq", "chat:chat:alice.uq")
    params = f'"{"x" * 1500}"'
    many = (SignedCapability(alice, params, b"\5" * 64),) * capabilities
    return encode_data(1, pack_message(KernelMessage(7, alice, alice, None, Response(capabilities=many))))
