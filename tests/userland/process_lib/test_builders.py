from __future__ import annotations

import re
from collections.abc import Callable

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.address import Address, AddressParseError, ParseKind, ProcessId
from kernel.capability import Capability, SignedCapability
from kernel.errors import OutsideProcess
from kernel.message import Payload
from kernel.message import Request as RawRequest
from kernel.message import Response as RawResponse
from tests.support.recording_syscalls import recording, response_message
from userland.process_lib import BuildError, BuildErrorKind, Request, Response

ECHO = Address.from_str("fake.dev@echo:echo:nectar")


def test_a_request_travels_with_everything_that_was_set_on_it():
    capability = Capability.messaging(ECHO)
    with recording() as calls:
        (
            Request()
            .target(ECHO)
            .ipc(b"hi")
            .inherit(True)
            .expects_response(5)
            .metadata("m")
            .context(b"ctx")
            .payload(Payload("text/plain", b"p"))
            .capabilities([capability])
            .send()
        )
    raw = RawRequest(True, 5, b"hi", "m", (capability,))
    assert calls.calls == [("send_request", (ECHO, raw, b"ctx", Payload("text/plain", b"p")))]


def test_a_response_travels_with_everything_that_was_set_on_it():
    with recording() as calls:
        Response().ipc(b"hi").inherit(True).metadata("m").payload_bytes(b"p").payload_mime("text/html").send()
    raw = RawResponse(True, b"hi", "m", ())
    assert calls.calls == [("send_response", (raw, Payload("text/html", b"p")))]


@pytest.mark.parametrize(
    "target",
    [
        ECHO,
        "fake.dev@echo:echo:nectar",
        ("fake.dev", "echo", "echo", "nectar"),
        ("fake.dev", "echo:echo:nectar"),
        ("fake.dev", ProcessId("echo", "echo", "nectar")),
    ],
)
def test_a_target_may_be_an_address_its_text_or_its_parts(target):
    assert Request().target(target).ipc(b"").build()[0] == ECHO
    assert Request.to(target).ipc(b"").build()[0] == ECHO


STEPS: list[Callable[[Request], Request]] = [
    lambda b: b.target(ECHO),
    lambda b: b.target("n@a:b:c"),
    lambda b: b.inherit(True),
    lambda b: b.expects_response(9),
    lambda b: b.expects_response(None),
    lambda b: b.ipc(b"x"),
    lambda b: b.ipc("text"),
    lambda b: b.try_ipc({"a": 1}),
    lambda b: b.metadata("http"),
    lambda b: b.payload(Payload("a/b", b"1")),
    lambda b: b.payload(None),
    lambda b: b.payload_mime("c/d"),
    lambda b: b.payload_bytes(b"2"),
    lambda b: b.try_payload_bytes([1]),
    lambda b: b.context(b"c"),
    lambda b: b.try_context({"c": 2}),
    lambda b: b.capabilities([Capability.messaging(ECHO)]),
    lambda b: b.attach_messaging(ECHO),
]


@given(st.lists(st.sampled_from(STEPS), max_size=8), st.sampled_from(STEPS))
def test_building_on_a_builder_changes_no_earlier_one(steps, last):
    kept = Request().target("n@p:q:r").ipc(b"0")
    for step in steps:
        kept = step(kept)
    before = kept.build()
    built = last(kept)
    assert kept.build() == before
    assert built is not kept


@given(st.lists(st.sampled_from(STEPS), max_size=8))
def test_a_call_changes_its_own_field_and_leaves_the_others(steps):
    builder = Request().target("n@p:q:r").ipc(b"0")
    for step in steps:
        builder = step(builder)
    target, raw, context, payload = builder.build()
    assert builder.ipc(b"end").build() == (target, attrs.evolve(raw, ipc=b"end"), context, payload)
    assert builder.context(b"end").build() == (target, raw, b"end", payload)


def test_a_kept_response_can_be_sent_with_different_bodies():
    kept = Response().metadata("m")
    with recording() as calls:
        kept.ipc(b"1").send()
        kept.ipc(b"2").send()
    assert [arguments[0] for _, arguments in calls.calls] == [
        RawResponse(ipc=b"1", metadata="m"),
        RawResponse(ipc=b"2", metadata="m"),
    ]


def test_none_is_no_payload_and_empty_bytes_are_one():
    to_echo = Request().target(ECHO).ipc(b"")
    assert to_echo.payload(Payload(bytes=b"x")).payload(None).build()[3] is None
    assert to_echo.payload(Payload()).build()[3] == Payload(None, b"")
    assert to_echo.payload_mime("a/b").build()[3] == Payload("a/b", b"")


class Move:
    def to_bytes(self) -> bytes:
        return b"\x01e4"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"Bind": {"path": "/"}}, b'{"Bind":{"path":"/"}}'),
        ([1, None, "ä"], '[1,null,"ä"]'.encode()),
        ("text", b'"text"'),
        (5, b"5"),
        (True, b"true"),
        (None, b"null"),
        (b"raw", b"raw"),
        (Move(), b"\x01e4"),
    ],
)
def test_try_ipc_takes_what_json_can_say_and_what_knows_its_bytes(value, expected):
    assert Request().target(ECHO).try_ipc(value).build()[1].ipc == expected
    assert Request().target(ECHO).ipc(b"").try_payload_bytes(value).build()[3] == Payload(None, expected)
    assert Request().target(ECHO).ipc(b"").try_context(value).build()[2] == expected


def test_try_ipc_refuses_what_has_no_bytes():
    with pytest.raises(TypeError, match="object"):
        Request().try_ipc(object())


async def test_an_awaited_request_expects_its_response_within_the_timeout():
    with recording() as calls:
        answer = response_message(ECHO, calls.our, b"pong")
        calls.answers.append(answer)
        builder = Request().target(ECHO).ipc(b"ping").payload_bytes(b"p")
        assert await builder.send_and_await_response(7) is answer
    assert calls.sent() == [(ECHO, RawRequest(expects_response=7, ipc=b"ping"), None, Payload(None, b"p"))]
    assert builder.build()[1].expects_response is None


async def test_a_paced_send_passes_its_window_on():
    with recording() as calls:
        await Request().target(ECHO).ipc(b"1").send_paced()
        await Request().target(ECHO).ipc(b"2").send_paced(window=64)
    assert [arguments[-1] for _, arguments in calls.calls] == [None, 64]


def test_attach_messaging_attaches_the_right_to_message_us_and_keeps_the_others():
    """F-40: the builder that attaches is the builder that is sent."""
    network = Capability.network("fake.dev")
    with recording() as calls:
        Request().target(ECHO).ipc(b"").capabilities([network]).attach_messaging().send()
    assert calls.sent()[0][1].capabilities == (network, Capability.messaging(calls.our))


def test_attach_all_attaches_what_the_target_issued():
    mine = SignedCapability(ECHO, '"read"', b"s")
    other = SignedCapability(Address.from_str("fake.dev@vfs:sys:nectar"), '"read"', b"s")
    with recording() as calls:
        calls.held = [other, mine]
        for target in (ECHO, "our@echo:echo:nectar"):
            Request().target(target).ipc(b"").attach_all().attach_all().send()
        Response().ipc(b"").attach_all(ECHO).send()
    assert [request.capabilities for _, request, _, _ in calls.sent()] == [(mine,), (mine,)]
    assert calls.calls[2] == ("send_response", (RawResponse(ipc=b"", capabilities=(mine,)), None))


# -- mistakes speak (DESIGN section 3)


def test_a_request_without_target_says_what_to_write():
    with pytest.raises(BuildError, match=r"missing fields: .*no target.*\.target\(address\)") as caught:
        Request().ipc(b"").send()
    assert caught.value.kind is BuildErrorKind.NoTarget


def test_a_request_without_ipc_says_what_to_write():
    with pytest.raises(BuildError, match=r"missing fields: .*echo:echo:nectar has no ipc.*\.ipc") as caught:
        Request().target(ECHO).send()
    assert caught.value.kind is BuildErrorKind.NoBody


def test_a_response_without_ipc_says_what_to_write():
    with pytest.raises(BuildError, match=r"missing IPC body: .*Response\(\)\.ipc") as caught:
        Response().send()
    assert caught.value.kind is BuildErrorKind.NoBody


def test_attach_all_without_a_target_says_what_to_write():
    with pytest.raises(BuildError, match=re.escape("set .target(address) before it")):
        Request().attach_all()


@pytest.mark.parametrize(
    ("target", "kind"),
    [
        ("echo:echo:nectar", ParseKind.MissingNodeId),
        ("n@echo:echo", ParseKind.MissingField),
        ("n@a:b:c@x", ParseKind.TooManyAts),
    ],
)
def test_a_bad_address_raises_where_it_is_given(target, kind):
    with pytest.raises(AddressParseError, match="node@process:package:publisher") as caught:
        Request().target(target)
    assert caught.value.kind is kind


@pytest.mark.parametrize("target", [None, 5, ("a", "b", "c"), b"n@a:b:c"])
def test_what_is_no_address_at_all_raises_with_the_forms_there_are(target):
    with pytest.raises(TypeError, match=r"\(node, process, package, publisher\)"):
        Request().target(target)


def test_a_call_outside_an_actor_says_where_to_make_it():
    with pytest.raises(OutsideProcess, match="async def init"):
        Request().target(ECHO).ipc(b"").send()


@pytest.mark.parametrize("address", [ECHO, Address("fake.dev", "echo:echo:nectar")])
def test_an_address_gives_a_request_aimed_at_it(address):
    """PROTOCOL 5.3."""
    assert address.send_request().ipc(b"x").build() == (ECHO, RawRequest(ipc=b"x"), None, None)


async def test_an_awaited_response_brings_the_context_back():
    """C-035, the library's half."""
    with recording() as calls:
        calls.answers.append(response_message(ECHO, calls.our, b""))
        await Request().target(ECHO).ipc(b"x").context(b"c").send_and_await_response(1)
    assert calls.sent() == [(ECHO, RawRequest(expects_response=1, ipc=b"x"), b"c", None)]


@pytest.mark.parametrize(
    ("mistake", "hint"),
    [
        (lambda: Request().ipc({"a": 1}), r"\.try_ipc\(value\)"),  # type: ignore[arg-type]
        (lambda: Request().context(3), r"\.try_context\(value\)"),  # type: ignore[arg-type]
        (lambda: Request().payload_bytes(None), r"\.try_payload_bytes\(value\)"),  # type: ignore[arg-type]
        (lambda: Request().payload(b"x"), r"write Payload\(bytes=b"),  # type: ignore[arg-type]
        (lambda: Request().payload(Payload(b"x")), r"bytes as its mime type; write Payload\(bytes=b"),  # type: ignore[arg-type]
        (lambda: Request().payload(Payload(bytes="x")), r"text\.encode\(\)"),  # type: ignore[arg-type]
        (lambda: Request().payload(Payload(bytes=bytearray())), r"bytes\(value\)"),  # type: ignore[arg-type]
        (lambda: Response().payload(Payload(mime=5)), "mime type is text or None"),  # type: ignore[arg-type]
        (lambda: Response().payload_mime(b"x"), "bytes as its mime type"),  # type: ignore[arg-type]
        (lambda: Request().expects_response(0.5), "whole seconds"),  # type: ignore[arg-type]
        (lambda: Request().expects_response(-1), "whole seconds"),
        (lambda: Request().expects_response(True), "whole seconds"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused_with_what_to_write(mistake, hint):
    with pytest.raises(TypeError, match=hint):
        mistake()


async def test_a_timeout_that_is_no_whole_number_of_seconds_is_refused_before_anything_is_sent():
    with recording() as calls, pytest.raises(TypeError, match="whole seconds"):
        await Request().target(ECHO).ipc(b"").send_and_await_response(1.5)  # type: ignore[arg-type]
    assert calls.calls == []
