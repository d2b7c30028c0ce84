"""Who asks in the spelling of a later era is answered in it, and nobody else is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.address import Address
from kernel.codec import OK, Err
from kernel.jsontext import dump, parse
from kernel.message import Payload
from sys_processes.http_server.actions import answer, perform
from sys_processes.http_server.bindings import PathTable
from sys_processes.http_server.channels import Channels
from sys_processes.http_server.era3 import is_later, later_error, wants_extension
from sys_processes.http_server.protocol import (
    ANSWER,
    CHANNEL_CLOSED,
    CHANNEL_NOT_FOUND,
    CHANNEL_NOT_OWNED,
    CONTROL_TOO_LONG,
    OPEN_NOT_VALID,
    BadRequest,
    EarlyError,
    InvalidSourceProcess,
    LaterError,
    MalformedRequest,
    NoBlob,
    NoPayload,
    PathBindError,
    WsChannelNotFound,
    WsPingPongTooLong,
)
from sys_processes.http_server.settings import HttpSettings
from tests.support.golden import golden

APP = Address("alice.uq", "p:k:u")
REMOTE = Address("bob.uq", "p:k:u")


def asked(ipc: bytes, source: Address = APP, payload: Payload | None = None) -> bytes:
    paths = PathTable("alice.uq", can_message=lambda _: True, is_running=lambda _: True)
    channels = Channels("alice.uq", HttpSettings(), lambda _: 5, lambda owner, channel_id: None)
    return answer(perform(ipc, source, payload, paths, channels))


@pytest.mark.parametrize(
    ("ipc", "source", "payload", "name"),
    [
        (b'{"Unbind":{"path":"/x"}}', REMOTE, None, "invalid_source"),
        (b'{"WebSocketUnbind":{"path":"/x"}}', REMOTE, None, "invalid_source"),
        (b'{"WebSocketBind":{"path":"/","authenticated":true,"extension":false}}', REMOTE, None, "invalid_source"),
        (b'{"WebSocketSecureBind":{"path":"/","extension":false}}', REMOTE, None, "invalid_source"),
        (b'{"WebSocketBind":{"path":"/ ","authenticated":true,"extension":false}}', APP, None, "malformed_request"),
        (b'{"WebSocketBind":{"path":"/","extension":false}}', APP, None, "malformed_request"),
        (b'{"Unbind":{}}', APP, None, "malformed_request"),
        (b'{"Unbind":7}', APP, None, "malformed_request"),
        (
            b'{"WebSocketExtPushOutgoing":{"channel_id":1,"message_type":"Binary","desired_reply_type":"Response"}}',
            APP, Payload(None, b"x"), "malformed_request",
        ),
        (
            b'{"WebSocketExtPushData":{"id":7,"kinode_message_type":"Request","blob":[1,2]}}',
            APP, None, "malformed_request",
        ),
        (
            b'{"WebSocketPush":{"channel_id":1,"message_type":"Text","extension":false}}',
            APP, None, "no_blob",
        ),
        (
            b'{"WebSocketPush":{"channel_id":1,"message_type":"Text","extension":false}}',
            APP, Payload(None, b"x"), "channel_not_found",
        ),
        (
            b'{"WebSocketPush":{"channel_id":1,"message_type":"Ping","extension":false}}',
            APP, Payload(None, bytes(126)), "ping_pong_too_long",
        ),
    ],
)  # fmt: skip
def test_an_action_in_later_spelling_gets_a_later_error(
    ipc: bytes, source: Address, payload: Payload | None, name: str
) -> None:
    assert asked(ipc, source, payload) == golden(f"http_server/answer_{name}")


@pytest.mark.parametrize(
    "ipc",
    [
        b'{"Bind":{"path":"/","authenticated":true,"local_only":false,"cache":true}}',
        b'{"WebSocketBind":{"path":"/ ","authenticated":true,"encrypted":false}}',
        b'{"WebSocketBind":{"path":"/ ","authenticated":true,"encrypted":false,"extension":false}}',
        b'{"WebSocketPush":{"channel_id":1,"message_type":"Text"}}',
        b'{"Bound":{}}', b'"Unbind"', b"Unbind", b"{}", b'{"Unbind":{},"Bind":{}}',
    ],
)  # fmt: skip
def test_any_other_action_gets_an_early_error(ipc: bytes) -> None:
    form = parse(asked(ipc))
    assert isinstance(form, dict)
    error = form["Err"]
    assert error == "NoPayload" or next(iter(error)) in {"BadRequest", "PathBindError"}


def test_a_later_action_that_succeeds_is_answered_like_any() -> None:
    assert asked(b'{"WebSocketBind":{"path":"/","authenticated":true,"extension":false}}') == OK
    assert asked(b'{"WebSocketUnbind":{"path":"/"}}') == OK


def test_a_runtime_extension_is_refused_with_its_reason_which_no_later_error_has() -> None:
    found = ANSWER.decode(asked(b'{"WebSocketBind":{"path":"/","authenticated":true,"extension":true}}'))
    assert isinstance(found, Err)
    assert isinstance(found.error, PathBindError)
    assert "extensions are not offered" in found.error.error


@pytest.mark.parametrize(
    ("early", "bad_source", "later"),
    [
        (BadRequest("x"), False, MalformedRequest()),
        (NoPayload(), False, NoBlob()),
        (PathBindError("x"), False, MalformedRequest()),
        (PathBindError("x"), True, InvalidSourceProcess()),
        (CHANNEL_NOT_FOUND, False, WsChannelNotFound()),
        (CHANNEL_NOT_OWNED, False, WsChannelNotFound()),
        (CHANNEL_CLOSED, False, WsChannelNotFound()),
        (CONTROL_TOO_LONG, False, WsPingPongTooLong()),
        (OPEN_NOT_VALID, False, MalformedRequest()),
    ],
)
def test_every_error_has_its_later_name(early: EarlyError, bad_source: bool, later: LaterError) -> None:
    assert later_error(early, bad_source=bad_source) == later


FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "path": st.sampled_from(["/", "/ ", 7]),
        "authenticated": st.booleans(),
        "encrypted": st.booleans(),
        "extension": st.sampled_from([False, True, None, 7]),
    },
)


@given(st.sampled_from(["WebSocketBind", "WebSocketSecureBind", "Bind", "Unbind", "Bound"]), FIELDS)
def test_every_refusal_is_in_the_spelling_of_who_asked(variant: str, fields: dict[str, object]) -> None:
    ipc = dump({variant: fields})
    found = ANSWER.decode(asked(ipc))
    if isinstance(found, Err):
        assert isinstance(found.error, LaterError) is (is_later(ipc) and not wants_extension(ipc))


@given(st.binary(max_size=40))
def test_any_bytes_are_judged(ipc: bytes) -> None:
    assert is_later(ipc) in {True, False}
