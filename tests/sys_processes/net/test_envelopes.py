"""The envelope of a message between nodes (PROTOCOL 2.3, 9.2)."""

from __future__ import annotations

import json
from contextlib import suppress

import attrs
import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.address import Address
from kernel.capability import Capability, SignedCapability
from kernel.message import KernelMessage, Payload, Request, Response
from runtime.sim.strategies import kernel_messages
from sys_processes.net.envelopes import (
    LARGE,
    BadMessage,
    Untransportable,
    pack_message,
    pack_parts,
    read_message,
)
from tests.support.golden import golden

ALICE = Address("alice.uq", "chat:chat:alice.uq")
BOB = Address("bob.uq", "chat:chat:alice.uq")
SIGNED = SignedCapability(ALICE, '"x"', b"\5" * 3)
REQUEST = KernelMessage(
    2**53 + 1, ALICE, BOB, ALICE, Request(True, 5, b"hi", "md", (SIGNED,)), Payload("text/plain", b"p")
)
RESPONSE = KernelMessage(7, BOB, ALICE, None, Response(False, b"ok"), None, b"a context")


def fields_of(envelope: KernelMessage) -> tuple[object, ...]:
    return attrs.astuple(attrs.evolve(envelope, context=None), recurse=False)


@pytest.mark.parametrize(("name", "envelope"), [("request", REQUEST), ("response", RESPONSE)])
def test_the_bytes_of_a_message_are_these(name, envelope):
    assert pack_message(envelope).hex() == json.loads(golden(f"net_frames/{name}"))


@given(kernel_messages().filter(lambda envelope: "our" not in nodes_of(envelope)))
def test_a_message_arrives_as_it_left_except_for_its_context(envelope):
    assert fields_of(read_message(msgpack.unpackb(pack_message(envelope)))) == fields_of(envelope)


def nodes_of(envelope: KernelMessage) -> list[str]:
    addresses = [envelope.source, envelope.target, envelope.rsvp]
    addresses += [capability.issuer for capability in envelope.message.capabilities]
    return [address.node for address in addresses if address is not None]


@pytest.mark.parametrize("size", [0, 1, LARGE - 1, LARGE, LARGE + 1, 2**18])
@pytest.mark.parametrize("mime", [None, "text/plain"])
def test_a_large_payload_is_not_copied_and_its_bytes_are_those_that_msgpack_makes(size, mime):
    envelope = KernelMessage(1, ALICE, BOB, None, Request(), Payload(mime, b"x" * size))
    head, tail = pack_parts(envelope)
    assert msgpack.packb(msgpack.unpackb(head + tail)) == head + tail == pack_message(envelope)
    assert msgpack.unpackb(head + tail)["payload"] == {"mime": mime, "bytes": b"x" * size}
    assert (tail is envelope.payload.bytes) is (size >= LARGE)


def test_bytes_travel_as_bytes():
    found = msgpack.unpackb(pack_message(REQUEST))
    assert found["message"]["Request"]["ipc"] == b"hi"
    assert found["payload"] == {"mime": "text/plain", "bytes": b"p"}
    assert found["message"]["Request"]["capabilities"] == [
        {"issuer": "alice.uq@chat:chat:alice.uq", "params": '"x"', "signature": b"\5" * 3}
    ]


def test_text_that_is_no_unicode_cannot_leave():
    with pytest.raises(Untransportable, match="no Unicode"):
        pack_message(KernelMessage(1, ALICE, BOB, None, Request(metadata="\udc80")))


@given(st.data())
def test_whatever_is_changed_in_a_message_is_read_or_refused(data):
    scalars = st.one_of(st.none(), st.booleans(), st.integers(-1, 2**64 - 1), st.text(), st.binary())
    junk = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3), max_leaves=4)
    found = msgpack.unpackb(pack_message(REQUEST))
    place = found
    while isinstance(place, dict | list) and place:
        key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        if not isinstance(place[key], dict | list) or data.draw(st.booleans()):
            place[key] = data.draw(junk)
            break
        place = place[key]
    with suppress(BadMessage):
        assert isinstance(read_message(found), KernelMessage)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"id": -1}, "id"),
        ({"id": True}, "id"),
        ({"source": "our@chat:chat:alice.uq"}, "source"),
        ({"target": "our@chat:chat:alice.uq"}, "target"),
        ({"rsvp": "our@chat:chat:alice.uq"}, "rsvp"),
        ({"target": "nobody"}, "target"),
        ({"message": {"Shout": {}}}, "message"),
        ({"message": {"Request": {}, "Response": {}}}, "message"),
        ({"payload": {"mime": None}}, "bytes"),
        ({"payload": {"mime": None, "bytes": "text"}}, "payload.bytes"),
        ({"payload": b""}, "payload"),
    ],
)
def test_what_is_no_message_is_refused_with_its_place(change, field):
    found = {**msgpack.unpackb(pack_message(REQUEST)), **change}
    with pytest.raises(BadMessage) as caught:
        read_message(found)
    assert caught.value.field == field


@pytest.mark.parametrize("field", ["id", "source", "target", "rsvp", "message", "payload"])
def test_a_missing_field_is_named(field):
    found = msgpack.unpackb(pack_message(REQUEST))
    del found[field]
    with pytest.raises(BadMessage, match=f"^{field}: missing$"):
        read_message(found)


def test_our_never_crosses_in_a_capability():
    """PROTOCOL 1.2."""
    envelope = KernelMessage(1, ALICE, BOB, None, Request(capabilities=(Capability("our@a:b:c", '"x"'),)))
    with pytest.raises(BadMessage, match=r"capability\.issuer"):
        read_message(msgpack.unpackb(pack_message(envelope)))


@pytest.mark.parametrize("field", ["source", "target", "rsvp"])
def test_an_endless_address_is_no_address(field):
    fields = msgpack.unpackb(pack_message(REQUEST))
    fields[field] = f"a.uq@{'x' * 5000}:b:c"
    with pytest.raises(BadMessage, match=f"^{field}: .*has 5009 characters, 4096 at most"):
        read_message(fields)


def test_a_flood_of_capabilities_neither_leaves_nor_is_taken():
    """Sent, it would end the link on which the messages of others travel."""
    many = (Capability(ALICE, '"x"'),) * 65
    with pytest.raises(Untransportable, match="65 capabilities are too many for another node, 64 at most"):
        pack_message(KernelMessage(1, ALICE, BOB, None, Request(capabilities=many)))
    fields = msgpack.unpackb(pack_message(KernelMessage(1, ALICE, BOB, None, Request(capabilities=many[1:]))))
    assert len(read_message(fields).message.capabilities) == 64
    fields["message"]["Request"]["capabilities"] *= 2
    with pytest.raises(BadMessage, match="128 of them, 64 at most"):
        read_message(fields)
