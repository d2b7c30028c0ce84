from __future__ import annotations

import pytest

from kernel.address import Address
from kernel.message import Payload, SendError
from sys_processes.net.protocol import (
    Diagnostics,
    Sign,
    Verified,
    Verify,
    decode_action,
    encode_response,
)
from userland.process_lib import Request, Response, await_message, net
from userland.process_lib.testing import ActorTest

OUR_NET = "our@net:sys:nectar"


def asking(call):
    """An actor that answers every message with what the call gives, or raises."""

    async def init(our):
        while True:
            await await_message()
            try:
                found = await call(our)
            except (net.NetError, SendError, TypeError) as error:
                found = f"{type(error).__name__}: {error}"
            Response().ipc(found if isinstance(found, bytes) else str(found)).send()

    return init


def said_by(call, **options):
    with ActorTest(asking(call), **options) as actor:
        return actor.send("go", expects_response=10).ipc


@pytest.mark.parametrize("message", [b"I owe bob a beer", "I owe bob a beer", b""])
def test_what_a_process_signs_is_verified_as_its_own_and_nobody_elses(message):
    async def call(our):
        signature = await net.sign(message)
        return [
            len(signature),
            await net.verify(our, message, signature),
            await net.verify(f"our@{our.process}", message, signature),
            await net.verify((our.node, our.process), message, signature),
            await net.verify(our, b"I owe bob a house", signature),
            await net.verify(Address(our.node, "other:test:fake.dev"), message, signature),
            await net.verify(Address("bob.uq", our.process), message, signature),
            await net.verify(our, message, b""),
        ]

    assert said_by(call) == b"[64, True, True, True, False, False, False, False]"


def test_a_statement_is_verified_as_its_own_and_passes_for_nothing_else():
    async def call(our):
        signature, plain = await net.sign_statement(b"d owes"), await net.sign(b"d owes")
        longer = Address(our.node, f"{our.process}d")
        return [
            await net.verify_statement(our, "d owes", signature),
            await net.verify_statement(f"our@{our.process}", "d owes", signature),
            await net.verify_statement(our, b"d owes", plain),
            await net.verify(our, b"d owes", signature),
            await net.verify_statement(longer, b" owes", signature),
            await net.verify(longer, b" owes", plain),
        ]

    assert said_by(call) == b"[True, True, False, False, False, True]"


def test_net_is_asked_in_its_own_words():
    asked = []

    def answer(message):
        asked.append((decode_action(message.ipc), message.payload()))
        return encode_response(Verified(valid=True), json=False)

    async def call(our):
        return await net.verify("bob.uq@a:b:c", "words", b"\1\2")

    assert said_by(call, on={OUR_NET: answer}) == b"True"
    assert asked == [(Verify(Address("bob.uq", "a:b:c"), b"\1\2"), Payload(None, b"words"))]


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (b"\xc1", b"the answer of net:sys:nectar is unreadable"),
        (encode_response(Diagnostics("x"), json=False), b"answered Diagnostics"),
        (encode_response(Verified(valid=True), json=True), b"answered Verified"),
    ],
)
def test_an_answer_that_does_not_answer_is_an_error(answer, problem):
    async def call(our):
        return await net.sign(b"x")

    assert problem in said_by(call, on={OUR_NET: answer})


@pytest.mark.parametrize(
    ("call", "problem"),
    [
        (lambda our: net.sign(7), b"net.sign takes bytes or text, got int"),
        (lambda our: net.sign_statement(7), b"net.sign_statement takes bytes or text, got int"),
        (lambda our: net.verify_statement(our, b"", 7), b"a signature is bytes, got int"),
        (lambda our: net.verify(our, {}, b""), b"net.verify takes bytes or text, got dict"),
        (lambda our: net.verify(our, b"", "0x12"), b"a signature is bytes, got str"),
        (lambda our: net.verify(our.process, b"", b""), b"a target is an Address"),
    ],
)
def test_a_wrong_type_is_told_at_once(call, problem):
    assert problem in said_by(call)


def test_without_an_answer_it_gives_up_in_time():
    async def call(our):
        return await net.sign(b"x")

    assert b"SendError" in said_by(call, on={OUR_NET: lambda message: None})


def test_what_is_no_request_is_a_hello_in_a_test_too():
    async def call(our):
        answer = await Request().target(OUR_NET).ipc("hi").send_and_await_response(5)
        return answer.ipc

    assert said_by(call) == b"delivered"
    assert decode_action(b'"Sign"') == Sign()
