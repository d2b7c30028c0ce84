"""What is said to a router in the clear: its bytes, any chunking, and garbage (PROTOCOL 9.3)."""

from __future__ import annotations

import json

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.sim.strategies import text
from sys_processes.net.prefaces import (
    LARGEST,
    LONGEST_REASON,
    MARK,
    Arrival,
    BadPreface,
    Evidence,
    Here,
    Nonce,
    NotHere,
    Preface,
    PrefaceReader,
    Wanted,
    encode_preface,
)
from sys_processes.net.routing import RouteStatement
from tests.support.golden import golden

EACH = {
    "wanted": Wanted("alice.uq", "carol.uq"),
    "nonce": Nonce(b"\1" * 32),
    "evidence": Evidence(b"\2" * 64),
    "here": Here(),
    "not_here": NotHere("carol.uq is not connected to bob.uq"),
    "arrival": Arrival(b"\3" * 32),
}
TLS_HANDSHAKE = 22


def prefaces() -> st.SearchStrategy[Preface]:
    some = st.binary(min_size=32, max_size=32)
    return st.one_of(
        st.builds(Wanted, text(), text()),
        st.builds(Nonce, some),
        st.builds(Evidence, st.binary(min_size=64, max_size=64)),
        st.builds(Here),
        st.builds(NotHere, text()),
        st.builds(Arrival, some),
    )


def framed(body: bytes) -> bytes:
    return MARK + len(body).to_bytes(2, "big") + body


@pytest.mark.parametrize("name", EACH)
def test_the_bytes_of_each_are_these(name):
    raw = encode_preface(EACH[name])
    assert raw.hex() == json.loads(golden(f"net_prefaces/{name}"))
    assert PrefaceReader().feed(raw) == EACH[name]
    assert raw[0] != TLS_HANDSHAKE


def test_what_is_signed_for_a_way_is_these_bytes():
    statement = RouteStatement("alice.uq", "carol.uq", "bob.uq", b"\1" * 32)
    assert statement.signed_bytes().hex() == json.loads(golden("net_prefaces/route_statement"))


@given(prefaces(), st.integers(1, 40))
def test_they_come_out_as_they_went_in_whatever_the_pieces(said, size):
    raw = encode_preface(said)
    reader = PrefaceReader()
    found = [reader.feed(raw[at : at + size]) for at in range(0, len(raw), size)]
    assert found == [None] * (len(found) - 1) + [said]


def test_the_longest_names_and_reasons_fit():
    for said in (Wanted("a" * 253, "b" * 253), NotHere("é" * 10_000)):
        assert len(encode_preface(said)) < LARGEST
        assert PrefaceReader().feed(encode_preface(said)) is not None
    assert PrefaceReader().feed(encode_preface(NotHere("x" * 999))) == NotHere("x" * LONGEST_REASON)


@given(st.binary(max_size=100))
def test_garbage_raises_one_typed_error_or_is_not_yet_whole(raw):
    for data in (raw, framed(raw), encode_preface(EACH["wanted"])[:-5] + raw):
        reader = PrefaceReader()
        try:
            for at in range(len(data)):
                reader.feed(data[at : at + 1])
        except BadPreface:
            pass


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (b"\x16\x03\x01\x02\x00", "it begins with 0x1603"),
        (b"\0" * 4, "it begins with 0x0000"),
        (b"NX", "it begins with 0x4e58"),
        (MARK + (LARGEST + 1).to_bytes(2, "big"), "a preface of 1025 bytes, 1024 at most"),
        (encode_preface(Here()) + b"\x16", "1 bytes came behind"),
        (framed(b""), "no msgpack"),
        (framed(b"\x91" * 900), "no msgpack"),
        (framed(msgpack.packb([])), "expected a map, found list"),
        (framed(msgpack.packb({})), "unknown kind None"),
        (framed(msgpack.packb({"t": ["here"]})), "unknown kind"),
        (framed(msgpack.packb({"t": "wanted", "source": "a"})), "target: expected text"),
        (framed(msgpack.packb({"t": "wanted", "source": "a" * 301, "target": ""})), "source: expected text"),
        (framed(msgpack.packb({"t": "nonce", "nonce": b"short"})), "nonce: expected 32 bytes"),
        (framed(msgpack.packb({"t": "arrival", "token": "t" * 32})), "token: expected 32 bytes"),
    ],
)
def test_what_is_refused(raw, told):
    with pytest.raises(BadPreface, match=told):
        PrefaceReader().feed(raw)
