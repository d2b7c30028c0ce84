"""The shim for clients of November 2023: its shapes, its secrets, and what their messages mean."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.address import ProcessId
from kernel.codec import Shape
from kernel.jsontext import JsonValue, dump, parse
from runtime.sim.strategies import json_values, mutated
from sys_processes.http_server import era0
from sys_processes.http_server.access import Refuse
from sys_processes.http_server.coding import Frame, Unreadable
from sys_processes.http_server.encryption import OVERHEAD, Exchange
from sys_processes.http_server.era0 import (
    ENCRYPTOR_ANSWER,
    ENCRYPTOR_REQUEST,
    IDENTITY,
    MESSAGE,
    REGISTER,
    SECRETS,
    EncryptedWsMessage,
    EncryptorRequest,
    NamedChannel,
    NamedDoor,
    NodeIdentity,
    Secrets,
    Target,
    WsMessage,
    WsRegister,
    check_exchange,
    exchange,
    first_frame,
)
from sys_processes.http_server.protocol import WsMessageType
from sys_processes.http_server.register import RefuseRegister, RegisterRules
from sys_processes.http_server.tokens import Session
from tests.support.golden import golden
from tests.support.module_node import OneKey
from tests.support.sealed_client import Secret, check_signature, modulus, unsealed
from tests.sys_processes.http_server.heads import head

CHESS = ProcessId("chess", "chess", "nectar")
TARGET = Target("alice.uq", CHESS)
TEXT, BINARY = WsMessageType.Text, WsMessageType.Binary
NAME = "chess-1"


def door() -> NamedDoor:
    """Every process but `stopped:..` runs, the token is `t`, and the secrets are 1, 2, 3 .."""
    rules = RegisterRules(
        node="alice.uq",
        token_valid=lambda token, package: token == "t",
        can_message=lambda address: True,
        is_running=lambda process: str(process) != "stopped:chess:nectar",
    )
    numbers = iter(range(1, 10_000))
    return NamedDoor(
        rules=rules, secrets=Secrets(lambda: next(numbers).to_bytes(32, "big")), nonce=lambda: bytes(12)
    )


def channel(at: NamedDoor | None = None) -> NamedChannel:
    found = first_frame(register(), at or door())
    assert isinstance(found, NamedChannel)
    return found


def register(**changed: JsonValue) -> bytes:
    return dump({"WsRegister": {"auth_token": "t", "ws_auth_token": "t", "channel_id": NAME, **changed}})


def message(json: JsonValue = None, **changed: JsonValue) -> bytes:
    target = {"node": "alice.uq", "process": str(CHESS)}
    form = {"auth_token": "t", "ws_auth_token": "t", "channel_id": NAME, "target": target, "json": json}
    return dump({"WsMessage": {**form, **changed}})


def sealed(frame: bytes, **changed: JsonValue) -> bytes:
    """As the client writes it: strings whose code points are the bytes."""
    target = {"node": "alice.uq", "process": str(CHESS)}
    form = {"auth_token": "t", "ws_auth_token": "t", "channel_id": NAME, "target": target}
    parts = {"encrypted": frame[:-12].decode("latin-1"), "nonce": frame[-12:].decode("latin-1")}
    return dump({"EncryptedWsMessage": {**form, **parts, **changed}})


@pytest.mark.parametrize(
    ("name", "shape", "value"),
    [
        ("era0_encryptor_request", ENCRYPTOR_REQUEST, EncryptorRequest(NAME, "c0ffee")),
        ("era0_encryptor_answer", ENCRYPTOR_ANSWER, Exchange("0a0b", "0c0d")),
        ("era0_identity", IDENTITY, NodeIdentity("alice.uq", "0x0c0d")),
        ("era0_register", REGISTER, WsRegister("t", "t", NAME)),
        ("era0_message", MESSAGE, WsMessage("t", "t", NAME, TARGET, {"a": 1})),
        (
            "era0_encrypted_message",
            MESSAGE,
            EncryptedWsMessage("t", "t", NAME, TARGET, "latin1", "latin1"),
        ),
    ],
)
def test_the_shapes_are_those_of_the_goldens(name: str, shape: Shape[object], value: object) -> None:
    text = golden(f"http_server/{name}")
    assert parse(shape.encode(value)) == parse(text)
    assert shape.decode(text) == value


# -- secrets


def test_a_secret_stays_while_it_is_among_those_used_last() -> None:
    secrets = door().secrets
    first = secrets.of("first")
    assert secrets.find("never") is None
    for number in range(SECRETS - 1):
        secrets.of(f"{number}")
    assert secrets.of("first") == first
    secrets.of("one more")
    assert (secrets.find("0"), secrets.find("first")) == (None, first)
    assert secrets.of("0") not in (first, None)


def test_a_posted_key_gets_the_secret_of_its_channel() -> None:
    """C-143."""
    at = door()
    body = ENCRYPTOR_REQUEST.encode(EncryptorRequest(NAME, modulus()))
    replies = [exchange(body, at.secrets, OneKey().sign) for _ in range(2)]
    for reply in replies:
        assert reply.status == 201
        answer = ENCRYPTOR_ANSWER.decode(reply.body)
        check_signature(answer.signed_public_key)
        assert unsealed(answer.encrypted_secret) == at.secrets.find(NAME)
    assert replies[0].body != replies[1].body


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"\xff",
        dump({"channel_id": 1, "public_key_hex": modulus()}),
        dump({"channel_id": NAME, "public_key_hex": "c0ffee"}),
        dump({"channel_id": "x" * 257, "public_key_hex": modulus()}),
    ],
)
def test_a_post_that_is_no_exchange_is_400_and_draws_no_secret(body: bytes) -> None:
    at = door()
    assert exchange(body, at.secrets, OneKey().sign).status == 400
    assert at.secrets.of("next") == (1).to_bytes(32, "big")


@pytest.mark.parametrize(
    ("status", "method", "session", "peer", "headers"),
    [
        (None, "POST", Session.VALID, "127.0.0.1:5", {}),
        (None, "POST", Session.VALID, "127.0.0.1:5", {"origin": "http://localhost:8080"}),
        (405, "GET", Session.VALID, "127.0.0.1:5", {}),
        (403, "POST", Session.VALID, "10.0.0.1:5", {}),
        (403, "POST", Session.VALID, "127.0.0.1:5", {"x-forwarded-for": "1.2.3.4"}),
        (403, "POST", Session.VALID, "127.0.0.1:5", {"host": "rebound.example"}),
        (403, "POST", Session.VALID, "127.0.0.1:5", {"origin": "http://evil.example"}),
        (401, "POST", Session.ABSENT, "127.0.0.1:5", {}),
        (401, "POST", Session.INVALID, "127.0.0.1:5", {}),
    ],
)
def test_a_key_is_posted_from_this_machine_with_a_login(
    status: int | None, method: str, session: Session, peer: str, headers: dict[str, str]
) -> None:
    asked = head(method, "/encryptor:sys:nectar", peer=peer, **{"host": "localhost:8080", **headers})
    refused = check_exchange(asked, session, frozenset())
    assert (refused.status if isinstance(refused, Refuse) else None) == status


# -- the socket


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"[]", b"\xff", b'{"auth_token":"t"}', register() + b" " * 20_000]
)
def test_other_first_frames_are_left_to_the_flow_of_the_seed(raw: bytes) -> None:
    assert first_frame(raw, door()) is None


@pytest.mark.parametrize(
    "raw",
    [
        b'{"WsRegister":null}',
        b'{"WsRegister":{}}',
        register(auth_token="bad"),
        register(auth_token=None),
        register(channel_id=7),
        register(channel_id="x" * 257),
    ],
)
def test_a_bad_register_is_refused(raw: bytes) -> None:
    """C-123."""
    assert isinstance(first_frame(raw, door()), RefuseRegister)


def test_the_second_cookie_is_not_asked_for() -> None:
    raw = dump({"WsRegister": {"auth_token": "t", "channel_id": NAME}})
    assert isinstance(first_frame(raw.decode(), door()), NamedChannel)


def test_the_first_message_settles_the_process_and_messages_become_pushes() -> None:
    found = channel()
    first = message({"a": 1})
    assert found.meet(first) == CHESS
    assert found.incoming(first) == (TEXT, b'{"a":1}')
    assert found.incoming(message([1, "\u00fc"]).decode()) == (TEXT, '[1,"\u00fc"]'.encode())
    assert found.incoming(message(None)) == (TEXT, b"null")
    assert found.outgoing(b"plain") == Frame(BINARY, b"plain")


def test_once_the_client_has_sealed_a_message_it_is_answered_so() -> None:
    """C-143."""
    at = door()
    secret = Secret(at.secrets.of(NAME))
    found = channel(at)
    found.meet(message())
    assert found.outgoing(b"plain") == Frame(BINARY, b"plain")
    assert found.incoming(sealed(secret.seal(bytes(range(256))))) == (BINARY, bytes(range(256)))
    frame = found.outgoing(b"sealed")
    assert (frame.kind, frame.overhead, secret.open(frame.data)) == (BINARY, OVERHEAD, b"sealed")
    assert found.incoming(message(1)) == (TEXT, b"1")


def test_a_message_that_does_not_decrypt_is_unreadable_and_changes_nothing() -> None:
    at = door()
    secret = Secret(at.secrets.of(NAME))
    found = channel(at)
    found.meet(message())
    frame = secret.seal(b"hello")
    for raw in (
        sealed(bytes([frame[0] ^ 1]) + frame[1:]),
        sealed(Secret(bytes(32)).seal(b"hello")),
        sealed(b""),
        sealed(frame, nonce=""),
        sealed(frame, encrypted="\u0100"),
        sealed(frame, nonce="\u20ac" * 12),
    ):
        with pytest.raises(Unreadable):
            found.incoming(raw)
    assert found.outgoing(b"plain") == Frame(BINARY, b"plain")


def test_without_an_exchange_nothing_decrypts() -> None:
    found = channel()
    found.meet(message())
    with pytest.raises(Unreadable, match="/encryptor:sys:nectar"):
        found.incoming(sealed(Secret(bytes(32)).seal(b"hello")))


@pytest.mark.parametrize(
    "target",
    [
        {"node": "bob.uq", "process": str(CHESS)},
        {"node": "alice.uq", "process": "stopped:chess:nectar"},
        {"node": "alice.uq", "process": "kernel:sys:nectar"},
        {"node": "alice.uq", "process": "nonsense"},
    ],
)
def test_who_cannot_be_registered_for_cannot_be_met(target: JsonValue) -> None:
    """C-125."""
    with pytest.raises(Unreadable):
        channel().meet(message(target=target))


@pytest.mark.parametrize(
    "changed",
    [
        {"auth_token": "bad"},
        {"channel_id": "chess-2"},
        {"target": {"node": "alice.uq", "process": "other:chess:nectar"}},
        {"target": {"node": "bob.uq", "process": str(CHESS)}},
    ],
)
def test_later_messages_are_of_the_same_channel_process_and_login(changed: dict[str, JsonValue]) -> None:
    found = channel()
    found.meet(message())
    with pytest.raises(Unreadable):
        found.incoming(message(**changed))


def test_json_that_is_too_deep_to_be_written_is_unreadable() -> None:
    found = channel()
    found.meet(message())
    deep = b"[" * 600 + b"]" * 600
    with pytest.raises(Unreadable):
        found.incoming(message("DEEP").replace(b'"DEEP"', deep))


@given(
    st.one_of(
        mutated(parse(message({"a": [1]}))).map(dump),  # type: ignore[arg-type]
        mutated(parse(sealed(bytes(40)))).map(dump),  # type: ignore[arg-type]
        mutated(parse(register())).map(dump),  # type: ignore[arg-type]
        json_values().map(dump),
        st.binary(max_size=60),
        st.text(max_size=60),
    )
)
def test_whatever_comes_is_read_or_unreadable(raw: bytes | str) -> None:
    assert isinstance(first_frame(raw, door()), NamedChannel | RefuseRegister | None)
    found = channel()
    for read in (found.meet, found.incoming):
        try:
            assert read(raw)
        except Unreadable:
            continue


def test_the_identity_of_a_node_is_its_name_and_its_key() -> None:
    reply = era0.identity("alice.uq", OneKey().public_key)
    assert attrs.astuple(IDENTITY.decode(reply.body)) == ("alice.uq", f"0x{OneKey().public_key.hex()}")
