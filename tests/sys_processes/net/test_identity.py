"""Identity records and what proves a link (PROTOCOL 9.1)."""

from __future__ import annotations

import json

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.sim.strategies import safe_segments
from sys_processes.net.identity import (
    BadIdentity,
    LinkStatement,
    check_record,
    is_signed,
    make_record,
    record_bytes,
    verify_record,
)
from sys_processes.net.protocol import IdentityRecord
from tests.support.golden import golden
from tests.sys_processes.net.between_cores import key_of, record_of

KEY = key_of("alice.uq")
PUBLIC = KEY.public_key().public_bytes_raw()


def records() -> st.SearchStrategy[IdentityRecord]:
    names = safe_segments().filter(lambda name: name != "our")
    return st.builds(
        IdentityRecord,
        names,
        st.binary(min_size=32, max_size=32),
        st.none() | st.sampled_from(["h:1", "[::1]:80"]),
        st.lists(names, max_size=3).map(tuple),
        st.integers(0, 2**64 - 1),
    )


def test_a_record_signed_by_its_own_key_is_sound():
    verify_record(record_of("alice.uq"))
    routed = make_record("alice.uq", PUBLIC, KEY.sign, routers=["r.uq", "s.uq"], serial=3)
    verify_record(routed)


@pytest.mark.parametrize(
    "change",
    [
        {"name": "bob.uq"},
        {"address": "evil:80"},
        {"address": None, "routers": ("evil",)},
        {"serial": 1},
        {"public_key": key_of("bob.uq").public_key().public_bytes_raw()},
        {"signature": b""},
        {"signature": b"\0" * 64},
    ],
)
def test_a_record_that_was_changed_is_not(change):
    with pytest.raises(BadIdentity, match="not signed by its own key"):
        verify_record(attrs.evolve(record_of("alice.uq"), **change))


@given(records(), records())
def test_two_records_never_have_the_same_bytes(one, other):
    assert (record_bytes(one) == record_bytes(other)) == (one == other)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"name": "our"}, "no name of a node"),
        ({"name": ""}, "no name of a node"),
        ({"name": "a b"}, "no name of a node"),
        ({"name": "x" * 254}, "no name of a node: it has 254 characters, 253 at most"),
        ({"public_key": b"short"}, "key has 5 bytes"),
        ({"address": None}, "no way to it"),
        ({"address": "host"}, "expected 'host:port'"),
        ({"address": "host:0"}, "expected 'host:port'"),
        ({"address": "host:65536"}, "expected 'host:port'"),
        ({"address": "ws://host:1"}, "expected 'host:port'"),
        ({"address": "ho st:1"}, "expected 'host:port'"),
        ({"routers": ("our",)}, "no name of a node"),
        ({"routers": ("alice.uq",)}, "its own router"),
        ({"routers": tuple(f"r{n}" for n in range(17))}, "17 names, 16 at most"),
        ({"serial": -1}, "serial is -1"),
        ({"serial": 2**64}, "serial is"),
    ],
)
def test_a_record_that_no_node_can_have_is_refused(change, told):
    with pytest.raises(BadIdentity, match=told):
        check_record(attrs.evolve(record_of("alice.uq"), **change))


@pytest.mark.parametrize("address", ["127.0.0.1:8080", "[::1]:1", "[fe80::1%eth0]:80", "a-b.example:65535"])
def test_addresses_that_are_fine(address):
    check_record(record_of("alice.uq", address=address))


def test_a_signature_is_checked_and_bytes_that_are_no_key_sign_nothing():
    assert is_signed(PUBLIC, b"data", KEY.sign(b"data"))
    assert not is_signed(PUBLIC, b"other", KEY.sign(b"data"))
    assert not is_signed(b"short", b"data", KEY.sign(b"data"))
    assert not is_signed(PUBLIC, b"data", b"")


STATEMENT = LinkStatement("alice.uq", b"\1" * 32, "bob.uq", b"\2" * 32, b"\3" * 32)


def test_what_a_link_is_proven_by_has_these_bytes():
    assert STATEMENT.signed_bytes().hex() == json.loads(golden("net_frames/link_statement"))


def test_the_bytes_that_a_record_signs_are_these():
    record = IdentityRecord("alice.uq", b"\1" * 32, None, ("r.uq",), 7)
    assert record_bytes(record).hex() == json.loads(golden("net_frames/identity_record"))


@pytest.mark.parametrize("field", [field.name for field in attrs.fields(LinkStatement)])
def test_every_part_of_the_statement_is_signed(field):
    changed = attrs.evolve(STATEMENT, **{field: getattr(STATEMENT, field)[1:]})
    assert changed.signed_bytes() != STATEMENT.signed_bytes()
