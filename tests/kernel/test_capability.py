"""Capabilities: equality of meaning, signatures (PROTOCOL 2.5)."""

from __future__ import annotations

import msgpack
import pytest
from hypothesis import given

from kernel.address import Address
from kernel.capability import MESSAGING, NETWORK, ROOT, Capability, SignedCapability, is_signed_form
from kernel.jsontext import JsonValue, NotJson, canonical, dump, parse
from runtime.sim import strategies

ISSUER = Address("alice.uq", "vfs:sys:nectar")


def test_params_that_mean_the_same_are_equal() -> None:
    """F-02."""
    written = Capability(ISSUER, '{ "kind": "read", "drive": "/a:b/pkg" }')
    assert written == Capability(ISSUER, '{"drive":"/a:b/pkg","kind":"read"}')
    assert hash(written) == hash(Capability(ISSUER, '{"drive":"/a:b/pkg","kind":"read"}'))
    assert written.params == '{"drive":"/a:b/pkg","kind":"read"}'


def test_params_that_are_no_json_are_equal_only_to_themselves() -> None:
    """F-02."""
    assert Capability(ISSUER, "{nonsense") == Capability(ISSUER, "{nonsense")
    assert Capability(ISSUER, "{nonsense") != Capability(ISSUER, "{other")
    with pytest.raises(NotJson):
        Capability(ISSUER, "{nonsense").params_json()


@pytest.mark.parametrize(
    ("one", "other"),
    [("1", "1.0"), ("null", '"null"'), ("[1,2]", "[2,1]"), ('"a"', '"A"'), ("true", "1")],
)
def test_params_that_mean_something_else_differ(one: str, other: str) -> None:
    assert Capability(ISSUER, one) != Capability(ISSUER, other)


def test_issuers_tell_capabilities_apart() -> None:
    assert Capability.messaging(ISSUER) != Capability.messaging(Address("bob.uq", ISSUER.process))


def test_the_well_known_ones() -> None:
    assert Capability.messaging(ISSUER) == Capability(ISSUER, MESSAGING)
    assert Capability.messaging(ISSUER).params == '"messaging"'
    assert Capability.network("alice.uq") == Capability(Address("alice.uq", "kernel:sys:nectar"), NETWORK)
    assert Capability(ISSUER, '{ "root": true }').params == ROOT


def test_a_signature_covers_issuer_and_canonical_params() -> None:
    signed = SignedCapability(ISSUER, '{ "root":  true }', b"sig")
    assert msgpack.unpackb(signed.signed_bytes()) == ["alice.uq@vfs:sys:nectar", '{"root":true}']
    assert signed.unsigned() == Capability(ISSUER, ROOT)
    assert signed != signed.unsigned()


def test_params_can_be_set_as_a_value() -> None:
    changed = Capability.messaging(ISSUER).set_params_json({"b": 1, "a": [None]})
    assert changed == Capability(ISSUER, '{"a":[null],"b":1}')
    assert changed.params_json() == {"a": [None], "b": 1}


def test_it_prints_as_issuer_and_params() -> None:
    assert str(Capability.messaging(ISSUER)) == 'alice.uq@vfs:sys:nectar^"messaging"'


def test_params_must_be_text_that_can_be_sent() -> None:
    with pytest.raises(ValueError, match="Unicode"):
        Capability(ISSUER, "\ud800")


def test_params_nested_too_deeply_to_write_stay_as_they_are() -> None:
    deep = "[" * 900 + " " + "]" * 900
    assert Capability(ISSUER, deep).params == deep


@given(strategies.json_values())
def test_canonical_text_means_the_same_and_stays(value: JsonValue) -> None:
    """F-02."""
    text = dump(value).decode()
    once = canonical(text)
    assert parse(once) == value
    assert canonical(once) == once


@given(strategies.text())
def test_any_text_has_one_canonical_form(text: str) -> None:
    once = canonical(text)
    assert canonical(once) == once
    assert Capability(ISSUER, text).params == once


def test_an_issuer_may_be_given_as_text() -> None:
    assert Capability("alice.uq@vfs:sys:nectar", MESSAGING) == Capability(ISSUER, MESSAGING)


@pytest.mark.parametrize(
    ("issuer", "params", "hint"), [(5, MESSAGING, "Address or its text"), (ISSUER, 5, r"json\.dumps")]
)
def test_what_is_no_issuer_or_no_params_is_refused(issuer: Address, params: str, hint: str) -> None:
    with pytest.raises(TypeError, match=hint):
        Capability(issuer, params)


@given(strategies.text())
def test_what_a_signature_covers_is_known_again(params: str) -> None:
    assert is_signed_form(Capability(ISSUER, params).signed_bytes())


@pytest.mark.parametrize(
    "data", [b"", b"\x92", b"\x92\x01\x02", b"\x91\xa1a", b"\x92\xa1a\xa1b.", b"\x81\x90\x01"]
)
def test_other_bytes_may_be_signed_for_others(data: bytes) -> None:
    assert not is_signed_form(data)
