"""Messages as their process sees them, errors, on-exits (PROTOCOL 2.2, 2.6, 2.7)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.address import Address
from kernel.capability import Capability, SignedCapability
from kernel.message import (
    KernelMessage,
    Message,
    OnExit,
    Payload,
    Reason,
    Request,
    Response,
    SendError,
    SendErrorKind,
)
from runtime.sim import strategies

ALICE = Address("alice.uq", "chat:chat:nectar")
BOB = Address("bob.uq", "chat:chat:nectar")


def request(message: Request, rsvp: Address | None = None, target: Address = ALICE) -> Message:
    return Message(KernelMessage(7, BOB, target, rsvp, message, Payload(None, b"p")))


def response(message: Response, context: bytes | None = None) -> Message:
    return Message(KernelMessage(7, ALICE, ALICE, None, message, None, context))


def test_a_request_shows_what_was_sent() -> None:
    message = request(Request(expects_response=5, ipc=b"hi", metadata="http", inherit=True))
    assert message.is_request()
    assert (message.id, message.source, message.target) == (7, BOB, ALICE)
    assert message.ipc == message.body == b"hi"
    assert (message.metadata, message.expects_response, message.inherit) == ("http", 5, True)
    assert message.payload() == message.blob() == Payload(bytes=b"p")
    assert message.context is None


def test_a_response_shows_its_context() -> None:
    message = response(Response(ipc=b"ok"), b"mine")
    assert not message.is_request()
    assert message.context == b"mine"
    assert message.expects_response is None
    assert message.payload() is None


def test_both_vocabularies_name_the_same_bytes() -> None:
    assert Request(ipc=b"x").body == b"x"
    assert Response(ipc=b"y").body == b"y"


@pytest.mark.parametrize(
    ("message", "wants"),
    [
        (request(Request(expects_response=0)), True),
        (request(Request(), rsvp=BOB), True),
        (request(Request()), False),
        (response(Response()), False),
    ],
)
def test_a_response_is_wanted_where_it_would_reach_somebody(message: Message, wants: bool) -> None:
    assert message.wants_response is wants


def test_local_means_of_the_receivers_own_node() -> None:
    assert not request(Request()).is_local()
    assert response(Response()).is_local()


def test_the_sender_is_recognised_by_id_text_or_parts() -> None:
    message = request(Request())
    assert message.is_process(BOB.process)
    assert message.is_process("chat:chat:nectar")
    assert message.is_process(("chat", "chat", "nectar"))
    assert not message.is_process("chat:chat:other")


def test_only_signed_capabilities_are_shown() -> None:
    signed = SignedCapability(BOB, '"messaging"', b"s")
    message = request(Request(capabilities=(Capability(BOB, '"x"'), signed)))
    assert message.capabilities == (signed,)


def test_kinds_of_errors_tell_themselves_apart() -> None:
    assert SendErrorKind.Offline.is_offline()
    assert not SendErrorKind.Offline.is_timeout()
    assert SendErrorKind.Timeout.is_timeout()
    assert not SendErrorKind.Timeout.is_offline()


@given(
    st.sampled_from(SendErrorKind),
    st.sampled_from(Reason),
    strategies.kernel_messages(),
    strategies.contexts(),
    st.booleans(),
    st.text(max_size=20),
)
def test_an_error_carries_everything_and_can_always_be_shown(
    kind: SendErrorKind,
    reason: Reason,
    envelope: KernelMessage,
    context: bytes | None,
    definite: bool,
    detail: str,
) -> None:
    message = Message(envelope)
    error = SendError(
        kind,
        reason,
        target=envelope.target,
        message=message,
        payload=envelope.payload,
        context=context,
        definite=definite,
        detail=detail,
    )
    assert (error.kind, error.reason, error.target) == (kind, reason, envelope.target)
    assert (error.message, error.payload, error.context) == (message, envelope.payload, context)
    assert (error.definite, error.detail) == (definite, detail)
    assert str(kind) in str(error)
    assert str(reason) in str(error)
    assert repr(error)
    assert str(envelope.source) in repr(message)


def test_an_on_exit_knows_its_kind() -> None:
    entry = (BOB, Request(ipc=b"bye"), None)
    assert OnExit.none().is_none()
    assert OnExit.restart().is_restart()
    assert OnExit.requests([entry]).is_requests()
    assert OnExit.requests([entry]).get_requests() == (entry,)
    assert OnExit.restart().get_requests() is None
    assert not OnExit.none().is_restart()


def test_adding_a_request_makes_a_new_on_exit() -> None:
    entry = (BOB, Request(ipc=b"bye"), Payload())
    empty = OnExit.requests([])
    assert empty.add_request(entry) == OnExit.requests([entry])
    assert empty == OnExit.requests([])
    with pytest.raises(ValueError, match=r"OnExit.requests"):
        OnExit.restart().add_request(entry)
