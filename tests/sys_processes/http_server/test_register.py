"""The first frame of a socket: who may register for whom, and what older clients send on bound paths."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.address import ProcessId
from kernel.jsontext import JsonValue, dump
from runtime.sim.strategies import json_values, mutated
from sys_processes.http_server.encryption import ClientKey
from sys_processes.http_server.register import (
    Deliver,
    RefuseRegister,
    Registered,
    RegisterRules,
    Swallow,
)
from sys_processes.http_server.tokens import LoginTokens

APP = ProcessId("p", "k", "u")
OTHER = ProcessId("q", "k", "u")
STOPPED = ProcessId("stopped", "k", "u")
SILENT = ProcessId("silent", "k", "u")
NOW = 1_750_000_000.0
SECRET = bytes(range(32))
MODULUS = "80" + "5a" * 254 + "01"
KEY = ClientKey.parse(MODULUS)
TOKENS = LoginTokens("alice.uq", SECRET)
GOOD = TOKENS.issue(NOW)
FORM: dict[str, JsonValue] = {"auth_token": GOOD, "target_process": "p:k:u", "encrypted": False}


def rules(*, encrypted_plain_ok: bool = False) -> RegisterRules:
    return RegisterRules(
        node="alice.uq",
        token_valid=lambda token, package: TOKENS.admits_to(token, NOW, package),
        can_message=lambda address: address.process != SILENT,
        is_running=lambda process: process != STOPPED,
        encrypted_plain_ok=encrypted_plain_ok,
    )


def frame(**changed: JsonValue) -> bytes:
    return dump({**FORM, **changed})


def problem(decision: object) -> str:
    assert isinstance(decision, RefuseRegister)
    return decision.problem


def test_a_valid_register_opens_a_channel_as_text_and_as_bytes() -> None:
    """C-120, C-121."""
    assert rules().first_frame(frame(), None) == Registered(APP)
    assert rules().first_frame(frame().decode(), None) == Registered(APP)


def test_the_register_of_the_seed_with_spaces_and_unknown_keys_is_read() -> None:
    """C-120."""
    raw = f'{{ "auth_token": "{GOOD}",\n "target_process": "p:k:u", "encrypted": false, "more": 1 }}'
    assert rules().first_frame(raw, None) == Registered(APP)


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "no WsRegister"),
        (b"hello", "no WsRegister"),
        (b"[]", "no WsRegister"),
        (b"\xff\xfe", "no WsRegister"),
        (frame(auth_token=None), "no WsRegister"),
        (frame(auth_token="bad"), "token"),
        (frame(auth_token=LoginTokens("bob.uq", SECRET).issue(NOW)), "token"),
        (frame(auth_token=LoginTokens("alice.uq", SECRET[::-1]).issue(NOW)), "token"),
        (frame(auth_token=TOKENS.issue(NOW - 27 * 7 * 24 * 3600)), "token"),
        (frame(target_process="p:k"), "no WsRegister"),
        (frame(target_process="p:k:u:x"), "no WsRegister"),
        (frame(encrypted="false"), "no WsRegister"),
        (frame(padding="x" * 20_000), "bytes"),
        (b'{"WsRegister":%b}' % frame(), "no WsRegister"),
    ],
)
def test_a_bad_register_is_refused_with_a_line_for_the_log(raw: bytes, why: str) -> None:
    """C-123."""
    assert why in problem(rules().first_frame(raw, None))


@pytest.mark.parametrize("key", list(FORM))
def test_a_register_without_one_of_its_keys_is_refused(key: str) -> None:
    """C-123."""
    raw = dump({name: value for name, value in FORM.items() if name != key})
    assert key in problem(rules().first_frame(raw, None))


def test_a_register_for_a_process_that_does_not_run_is_refused() -> None:
    """C-125."""
    assert problem(rules().first_frame(frame(target_process=str(STOPPED)), None)) == f"{STOPPED} does not run"


def test_a_register_for_a_process_that_may_not_be_messaged_names_the_manifest_line() -> None:
    """C-125."""
    found = problem(rules().first_frame(frame(target_process=str(SILENT)), None))
    assert '"grant_capabilities": ["http_server:sys:nectar"]' in found


@pytest.mark.parametrize("name", ["kernel", "vfs", "timer", "http_server"])
def test_no_client_registers_for_a_process_of_the_node(name: str) -> None:
    """It would get the frames of whoever has the cookie of a login, with http_server as their sender."""
    raw = frame(target_process=f"{name}:sys:nectar")
    everything = attrs.evolve(rules(), can_message=lambda address: True, is_running=lambda process: True)
    assert "belongs to the node" in problem(everything.first_frame(raw, None))


def test_a_stranger_without_a_token_learns_nothing_about_processes() -> None:
    for target in (STOPPED, SILENT, APP):
        raw = frame(auth_token="bad", target_process=str(target))
        assert "token" in problem(rules().first_frame(raw, None))


def test_over_the_bridge_a_register_is_for_that_process_only() -> None:
    """C-141."""
    assert rules().first_frame(frame(), APP) == Registered(APP)
    assert "on a path of q:k:u" in problem(rules().first_frame(frame(), OTHER))


def test_an_encrypted_register_brings_its_key() -> None:
    """C-143."""
    raw = frame(encrypted=True, public_key_hex=MODULUS)
    assert rules().first_frame(raw, None) == Registered(APP, KEY)
    assert rules().first_bound_frame(raw, APP) == Swallow(KEY)
    assert rules(encrypted_plain_ok=True).first_frame(raw, None) == Registered(APP, KEY)


def test_a_register_may_ask_that_its_secret_be_signed() -> None:
    raw = frame(encrypted=True, public_key_hex=MODULUS, sign_secret=True)
    key = ClientKey.parse(MODULUS, sign_secret=True)
    assert key != KEY
    assert rules().first_frame(raw, None) == Registered(APP, key)
    assert rules().first_bound_frame(raw, APP) == Swallow(key)
    assert rules().first_encrypted_frame(raw, APP) == Registered(APP, key)
    assert "no WsRegister" in problem(rules().first_frame(frame(sign_secret="yes"), None))


def test_a_key_counts_only_where_encryption_is_asked_for() -> None:
    assert rules().first_frame(frame(public_key_hex="no key"), None) == Registered(APP)
    assert rules().first_bound_frame(frame(public_key_hex=MODULUS), APP) == Swallow()


@pytest.mark.parametrize("key", ["", "c0ffee", "z" * 512, MODULUS + "01" * 300, "0x" + MODULUS])
def test_a_key_that_is_none_is_refused_and_never_served_plainly(key: str) -> None:
    """C-144."""
    raw = frame(encrypted=True, public_key_hex=key)
    for each in (rules(), rules(encrypted_plain_ok=True)):
        assert "public_key_hex" in problem(each.first_frame(raw, None))
        assert "public_key_hex" in problem(each.first_bound_frame(raw, APP))
        assert "public_key_hex" in problem(each.first_encrypted_frame(raw, APP))


def test_an_encrypted_register_without_a_key_is_refused_unless_it_may_be_served_plainly() -> None:
    """C-144, F-66."""
    raw = frame(encrypted=True)
    assert "ws.encrypted_plain_ok" in problem(rules().first_frame(raw, None))
    assert rules(encrypted_plain_ok=True).first_frame(raw, None) == Registered(APP)


def test_a_stranger_without_a_token_has_no_key_looked_at() -> None:
    raw = frame(auth_token="bad", encrypted=True, public_key_hex="no key")
    assert "token" in problem(rules().first_frame(raw, None))
    assert "token" in problem(rules().first_bound_frame(raw, APP))


def test_a_path_bound_as_encrypted_wants_a_register_for_its_process_with_a_key() -> None:
    """C-143, C-144."""
    good = {"encrypted": True, "public_key_hex": MODULUS}
    assert rules().first_encrypted_frame(frame(**good), APP) == Registered(APP, KEY)
    without_token = dump({"target_process": "p:k:u", **good})
    assert rules().first_encrypted_frame(without_token, APP) == Registered(APP, KEY)
    for raw in (frame(), frame(**good, target_process="q:k:u"), b"hello", b""):
        assert "encrypted: true" in problem(rules().first_encrypted_frame(raw, APP))
    assert "token" in problem(rules().first_encrypted_frame(frame(**good, auth_token="bad"), APP))
    late = frame(**good, target_process=str(STOPPED))
    assert "does not run" in problem(rules().first_encrypted_frame(late, STOPPED))


@given(
    st.one_of(
        mutated({**FORM, "encrypted": True, "public_key_hex": MODULUS}).map(dump),
        mutated(dict(FORM)).map(dump),
        json_values().map(dump),
        st.binary(max_size=60),
        st.text(max_size=60),
    )
)
def test_whatever_comes_first_is_decided_without_raising(raw: bytes | str) -> None:
    """C-123."""
    match rules().first_frame(raw, None):
        case Registered(target):
            assert target not in (STOPPED, SILENT)
        case RefuseRegister(why):
            assert why
    assert isinstance(rules().first_bound_frame(raw, APP), Deliver | Swallow | RefuseRegister)
    assert isinstance(rules().first_encrypted_frame(raw, APP), Registered | RefuseRegister)


# -- bound paths


def test_the_register_of_an_older_client_is_swallowed_on_a_bound_path() -> None:
    """C-140."""
    assert rules().first_bound_frame(frame(), APP) == Swallow()
    assert rules().first_bound_frame(frame().decode(), APP) == Swallow()


def test_without_our_cookie_it_carries_no_token_and_is_swallowed_too() -> None:
    """C-140."""
    assert rules().first_bound_frame(b'{"target_process":"p:k:u","encrypted":false}', APP) == Swallow()


def test_a_bad_token_closes_a_bound_socket() -> None:
    """C-140."""
    assert "token" in problem(rules().first_bound_frame(frame(auth_token="bad"), APP))


@pytest.mark.parametrize(
    "raw",
    [
        frame(target_process="q:k:u"),
        frame(target_process="nonsense"),
        b"hello",
        b"",
        b"\xff",
        b"{}",
        b'{"data":1}',
        frame(padding="x" * 20_000),
    ],
)
def test_any_other_first_frame_is_delivered(raw: bytes) -> None:
    assert rules().first_bound_frame(raw, APP) == Deliver()


def test_encryption_without_a_key_is_refused_on_a_bound_path_as_well() -> None:
    """C-144."""
    raw = frame(encrypted=True)
    assert "encrypted" in problem(rules().first_bound_frame(raw, APP))
    assert rules(encrypted_plain_ok=True).first_bound_frame(raw, APP) == Swallow()
