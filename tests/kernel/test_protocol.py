"""The kernel's wire shapes against their golden lines (PROTOCOL 2 and 4.6)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel import protocol as wire
from kernel.address import Address
from kernel.capability import MESSAGING, Capability, SignedCapability
from kernel.codec import OK, Malformed, Ok
from kernel.jsontext import parse
from kernel.message import OnExit, Payload, Request, Response, SendErrorKind
from runtime.sim import strategies
from tests.kernel.wire_values import CHESS, GOLDEN, SIGNED, AnyShape, comparable
from tests.support.golden import golden, golden_file


@pytest.mark.parametrize("name", GOLDEN)
def test_each_shape_is_written_and_read_as_its_golden_line_says(name: str) -> None:
    """C-013 to C-015, C-020 to C-022."""
    shape, value = GOLDEN[name]
    text = golden(f"kernel/{name}")
    assert shape.encode(value) == text
    assert comparable(shape.decode(text)) == comparable(value)


def test_every_golden_line_has_its_value() -> None:
    assert list(golden_file("kernel")) == list(GOLDEN)


def test_a_request_message_has_its_four_keys() -> None:
    """C-013."""
    text = wire.MESSAGE.encode(wire.RequestMessage(Request(True, 5, b"hi", "http")))
    assert text == b'{"Request":{"inherit":true,"expects_response":5,"ipc":[104,105],"metadata":"http"}}'


@pytest.mark.parametrize(("context", "last"), [(None, b"null"), (b"\1\xff", b"[1,255]")])
def test_a_response_message_is_a_pair_with_its_context(context: bytes | None, last: bytes) -> None:
    """C-014."""
    text = wire.MESSAGE.encode(wire.ResponseMessage(Response(), context))
    assert text == b'{"Response":[{"inherit":false,"ipc":[],"metadata":null},' + last + b"]}"


@given(st.binary(max_size=64))
def test_payload_bytes_are_integers_and_a_missing_mime_is_written(content: bytes) -> None:
    """C-015."""
    assert parse(wire.PAYLOAD.encode(Payload(None, content))) == {"mime": None, "bytes": list(content)}


@pytest.mark.parametrize(
    ("shape", "ours", "theirs"),
    [
        (wire.REQUEST, '{"inherit":true,"expects_response":1,"ipc":[1]}', ("ipc", "body")),
        (wire.RESPONSE, '{"inherit":true,"ipc":[1],"metadata":"x"}', ("ipc", "body")),
        (
            wire.KERNEL_MESSAGE,
            golden("kernel/kernel_message_response").decode(),
            ("payload", "lazy_load_blob"),
        ),
        (
            wire.FAILED_SEND,
            golden("kernel/failed_send").decode().replace('"payload":null', '"payload":{"bytes":[1]}'),
            ("payload", "lazy_load_blob"),
        ),
        (wire.SEEN_MESSAGE, golden("kernel/seen_request").decode(), ("ipc", "body")),
        (wire.SEEN_MESSAGE, golden("kernel/seen_response").decode(), ("ipc", "body")),
        (wire.KERNEL_COMMAND, golden("kernel/initialize_process").decode(), ("on_exit", "on_panic")),
        (wire.KERNEL_COMMAND, golden("kernel/set_on_exit").decode(), ("on_exit", "on_panic")),
        (wire.KERNEL_ANSWER, golden("kernel/process").decode(), ("on_exit", "on_panic")),
    ],
)
def test_both_spellings_are_read_alike_and_never_together(
    shape: AnyShape, ours: str, theirs: tuple[str, str]
) -> None:
    """C-016, C-017."""
    mine, other = (f'"{key}":' for key in theirs)
    assert ours.count(mine) == 1
    assert comparable(shape.decode(ours.replace(mine, other).encode())) == comparable(
        shape.decode(ours.encode())
    )
    with pytest.raises(Malformed, match=f"has both '{theirs[0]}' and '{theirs[1]}'"):
        shape.decode(ours.replace(mine, f"{other}null,{mine}").encode())


@pytest.mark.parametrize(
    "name", ["request", "initialize_process", "kernel_message_request", "payload", "capability_vfs"]
)
def test_unknown_keys_are_ignored(name: str) -> None:
    """C-018."""
    shape, value = GOLDEN[name]
    text = golden(f"kernel/{name}").replace(b"{", b'{"colour":{"a":[1]},', 1)
    if name == "initialize_process":
        text = golden(f"kernel/{name}").replace(b'{"id"', b'{"colour":{"a":[1]},"id"', 1)
    assert text != golden(f"kernel/{name}")
    assert comparable(shape.decode(text)) == comparable(value)


def test_a_missing_optional_key_is_null_and_a_missing_required_one_an_error() -> None:
    """C-019."""
    assert wire.REQUEST.decode(b'{"inherit":false,"ipc":[]}') == Request()
    assert wire.PAYLOAD.decode(b'{"bytes":[]}') == Payload()
    for text, key in [
        (b'{"ipc":[]}', "inherit"),
        (b'{"inherit":false}', "'ipc' or 'body'"),
    ]:
        with pytest.raises(Malformed, match=key):
            wire.REQUEST.decode(text)
    with pytest.raises(Malformed, match="'bytes'"):
        wire.PAYLOAD.decode(b'{"mime":null}')


@given(strategies.on_exits())
def test_an_on_exit_comes_back_as_it_went(on_exit: OnExit) -> None:
    """C-020."""
    assert wire.ON_EXIT.decode(wire.ON_EXIT.encode(on_exit)) == on_exit


def test_kinds_of_send_errors_are_two_words() -> None:
    """C-021."""
    assert [wire.SEND_ERROR_KIND.encode(kind) for kind in SendErrorKind] == [b'"Offline"', b'"Timeout"']
    with pytest.raises(Malformed):
        wire.SEND_ERROR_KIND.decode(b'"offline"')


def test_the_answer_of_success_is_ok_null() -> None:
    """C-022."""
    assert wire.KERNEL_ANSWER.encode(Ok(None)) == OK == b'{"Ok":null}'


@pytest.mark.parametrize(
    "middle",
    [
        '"wasm_bytes_handle":123456,"on_panic":"None"',
        '"wasm_bytes_handle":123456,"wit_version":null,"on_exit":"None"',
    ],
)
def test_a_process_is_initialised_in_the_words_of_either_era(middle: str) -> None:
    text = f'{{"InitializeProcess":{{"id":"chess:chess:nectar",{middle},"initial_capabilities":[],"public":false}}}}'
    assert wire.KERNEL_COMMAND.decode(text.encode()) == wire.InitializeProcess(
        CHESS, 123456, None, OnExit.none(), (), public=False
    )


@pytest.mark.parametrize(
    ("text", "capability"),
    [
        ('{"issuer":"alice.uq@a:b:c","params":"\\"messaging\\""}', SIGNED.unsigned()),
        ('{"issuer":"alice.uq@a:b:c","params":"\\"messaging\\"","signature":[]}', SIGNED.unsigned()),
        ('{"issuer":"alice.uq@a:b:c","params":"\\"messaging\\"","signature":[1,2,3]}', SIGNED),
        ('[{"issuer":"alice.uq@a:b:c","params":"\\"messaging\\""},[1,2,3]]', SIGNED),
        ('[{"issuer":"alice.uq@a:b:c","params":"\\"messaging\\""},[]]', SIGNED.unsigned()),
        ('"alice.uq@a:b:c^\\"messaging\\""', SIGNED.unsigned()),
        ('["alice.uq@a:b:c^\\"messaging\\"",[1,2,3]]', SIGNED),
    ],
)
def test_a_capability_is_read_in_every_spelling(text: str, capability: Capability) -> None:
    assert wire.CAPABILITY.decode(text.encode()) == capability
    granted = wire.KERNEL_COMMAND.decode(
        f'{{"GrantCapabilities":{{"target":"chess:chess:nectar","capabilities":[{text}]}}}}'.encode()
    )
    assert granted == wire.GrantCapabilities(CHESS, (capability,))


@pytest.mark.parametrize(
    "text",
    [
        b'"alice.uq@a:b:c"',
        b'"a:b:c^x"',
        b'{"issuer":"alice.uq@a:b:c"}',
        b'{"issuer":"x","params":"1"}',
        b"[]",
        b"1",
    ],
)
def test_what_is_no_capability_is_malformed(text: bytes) -> None:
    with pytest.raises(Malformed):
        wire.CAPABILITY.decode(text)


def test_a_signed_capability_needs_its_signature() -> None:
    with pytest.raises(Malformed, match="signature"):
        wire.SIGNED_CAPABILITY.decode(golden("kernel/capability_messaging"))


def test_capabilities_signed_in_an_envelope_join_the_message() -> None:
    text = golden("kernel/kernel_message_request").replace(
        b'"signed_capabilities":null', b'"signed_capabilities":[' + golden("kernel/signed_capability") + b"]"
    )
    signed = SignedCapability(Address("alice.uq", CHESS), MESSAGING, b"\1\2\3")
    assert wire.KERNEL_MESSAGE.decode(text).message.capabilities == (signed,)
