"""What net:sys:nectar is asked and answers, in msgpack and JSON (PROTOCOL 7.7)."""

from __future__ import annotations

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.address import Address, ProcessId
from kernel.capability import is_signed_form
from kernel.codec import Malformed
from kernel.jsontext import dump
from runtime.sim.strategies import addresses
from sys_processes.net.protocol import (
    Accepted,
    ConnectionRequest,
    Diagnostics,
    GetDiagnostics,
    GetPeer,
    GetPeers,
    GetStates,
    KnsBatchUpdate,
    KnsUpdate,
    NameUpdate,
    NodeState,
    PeerFound,
    PeerIdentity,
    Peers,
    QnsName,
    QnsUpdate,
    Rejected,
    Sign,
    Signed,
    SignStatement,
    States,
    Verified,
    Verify,
    VerifyStatement,
    decode_action,
    decode_response,
    encode_action,
    encode_response,
    said_bytes,
    statement_bytes,
)
from tests.support.golden import golden
from tests.sys_processes.net.between_cores import record_of

DIRECT = PeerIdentity.of(record_of("alice.uq", public_key=b"\1" * 32))
ROUTED = PeerIdentity.of(record_of("bob.uq", public_key=b"\2" * 32, address=None, routers=("r.uq",)))
BOTH = PeerIdentity.of(record_of("carol.uq", public_key=b"\3" * 32, routers=("r.uq",)))
ACTIONS = {
    "connection_request": ConnectionRequest("bob.uq"),
    "kns_update": KnsUpdate(NameUpdate("bob.uq", "0x00", ("1.2.3.4",), {"ws": 9000, "tcp": 10000}, ())),
    "kns_batch_update": KnsBatchUpdate((NameUpdate("bob.uq", "0x00", (), {}, ("r.uq",)),)),
    "get_peers": GetPeers(),
    "get_peer": GetPeer("bob.uq"),
    "get_states": GetStates(),
    "get_diagnostics": GetDiagnostics(),
    "sign": Sign(),
    "verify": Verify(Address("bob.uq", "a:b:c"), b"\1\2"),
    "sign_statement": SignStatement(),
    "verify_statement": VerifyStatement(Address("bob.uq", "a:b:c"), b"\1\2"),
}
RESPONSES = {
    "accepted": Accepted("bob.uq"),
    "rejected": Rejected("bob.uq"),
    "peers": Peers((DIRECT, ROUTED, BOTH)),
    "peer": PeerFound(DIRECT),
    "no_peer": PeerFound(None),
    "states": States((NodeState("bob.uq", "up", 1.5, 0, 0), NodeState("carol.uq", "untried", None, 0, 0))),
    "diagnostics": Diagnostics("text"),
    "signed": Signed(),
    "verified": Verified(valid=True),
}


@pytest.mark.parametrize("name", ACTIONS)
def test_each_action_has_its_text_and_is_read_in_both_encodings(name):
    action = ACTIONS[name]
    assert encode_action(action, json=True) == golden(f"net/{name}")
    assert decode_action(golden(f"net/{name}")) == action
    assert decode_action(encode_action(action)) == action


@pytest.mark.parametrize("name", RESPONSES)
def test_each_response_has_its_text_and_is_read_in_both_encodings(name):
    response = RESPONSES[name]
    assert encode_response(response, json=True) == golden(f"net/{name}")
    for json in (True, False):
        assert decode_response(encode_response(response, json=json)) == response


def test_the_compact_form_has_fields_in_order_and_bytes_as_bytes_or_numbers():
    for signature in (b"\1\2", [1, 2]):
        packed = msgpack.packb({"Verify": ["bob.uq@a:b:c", signature]})
        assert decode_action(packed) == ACTIONS["verify"]


@pytest.mark.parametrize(
    "hello", [b"", b"hi", b'"hi"', b'{"Shout":1}', b"{", b"\xc1", b"\x81\x01\x02", b"GetPeers"]
)
def test_whatever_is_no_action_is_a_hello(hello):
    assert decode_action(hello) is None


@given(st.binary(max_size=60))
def test_any_bytes_are_an_action_or_a_hello(ipc):
    decode_action(ipc)


@pytest.mark.parametrize(
    "ipc", [b"", b"\xc1", b'{"Peers":1}', msgpack.packb({1: 2}), msgpack.packb(msgpack.Timestamp(0))]
)
def test_what_is_no_response_is_malformed(ipc):
    with pytest.raises(Malformed):
        decode_response(ipc)


def test_updates_of_names_are_read_in_the_words_of_each_era_and_in_serdes_compact_form():
    """PROTOCOL 7.7."""
    old = QnsUpdate(QnsName("bob.uq", "0x00", "1.2.3.4", 9000, ()))
    names = ("name", "owner", "node", "public_key", "ip", "port", "routers")
    said = dict(zip(names, ("bob.uq", "0x01", "0x02", "0x00", "1.2.3.4", 9000, []), strict=True))
    assert decode_action(dump({"QnsUpdate": said})) == old
    assert decode_action(msgpack.packb({"QnsUpdate": said})) == old
    assert decode_action(msgpack.packb({"QnsUpdate": list(said.values())})) == old
    new = NameUpdate("bob.uq", "0x00", ("1.2.3.4",), {"ws": 9000}, ("r.uq",))
    compact = ["bob.uq", "0x00", ["1.2.3.4"], {"ws": 9000}, ["r.uq"]]
    assert decode_action(msgpack.packb({"KnsUpdate": compact})) == KnsUpdate(new)
    assert decode_action(msgpack.packb({"KnsBatchUpdate": [compact, compact]})) == KnsBatchUpdate((new, new))
    assert decode_action(msgpack.packb({"KnsUpdate": compact[:4]})) is None


# -- what is signed

A, LONGER = Address("alice.uq", "a:b:c"), Address("alice.uq", "a:b:cd")


def test_what_sign_signs_is_the_address_and_the_payload_one_behind_the_other():
    """PROTOCOL 7.7; and what that does not tell apart."""
    assert said_bytes(A, b"owes") == b"alice.uq@a:b:cowes"
    assert said_bytes(A, b"d") == said_bytes(LONGER, b"")


@given(addresses(), st.binary(), addresses(), st.binary())
def test_of_what_sign_signs_the_node_and_all_but_the_end_of_the_process_are_certain(one, said, other, also):
    if said_bytes(one, said) == said_bytes(other, also):
        assert (one.node, one.process.process, one.process.package) == (
            other.node, other.process.process, other.process.package,
        )  # fmt: skip
    near = Address(one.node, ProcessId(one.process.process, one.process.package, one.process.publisher + "x"))
    assert said_bytes(one, b"x" + said) == said_bytes(near, said)


@given(addresses(), st.binary(), addresses(), st.binary())
def test_no_two_statements_have_the_same_bytes_nor_those_of_anything_else_that_is_signed(
    one, said, other, also
):
    near = Address(one.node, ProcessId(one.process.process, one.process.package, one.process.publisher + "x"))
    assert statement_bytes(one, b"x" + said) != statement_bytes(near, said)
    assert (statement_bytes(one, said) == statement_bytes(other, also)) == ((one, said) == (other, also))
    assert statement_bytes(one, said) != said_bytes(other, also)
    assert not is_signed_form(statement_bytes(one, said))


def test_the_bytes_of_a_statement_are_these():
    assert msgpack.unpackb(statement_bytes(A, b"owes")) == ["nectar-statement-1", "alice.uq@a:b:c", b"owes"]
