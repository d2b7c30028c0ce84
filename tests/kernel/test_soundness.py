"""What a process hands to the kernel is checked at the call: nobody else meets it."""

from __future__ import annotations

import pytest

from kernel.address import Address
from kernel.message import Payload, Request, Response, SendError
from kernel.syscalls import Syscalls
from tests.support.kernel_node import kernel_node

ASKED = Request(expects_response=5, ipc=b"x")


@pytest.mark.parametrize(
    ("request_", "payload", "context", "says"),
    [
        (Request(ipc="text"), None, None, "ipc is bytes, not str"),
        (Request(ipc=None), None, None, "ipc is bytes"),
        (Request(ipc=b"", metadata=5), None, None, "metadata is text"),
        (Request(ipc=b"", inherit=1), None, None, "inherit is True or False"),
        (Request(ipc=b"", expects_response=1.5), None, None, "whole number of seconds"),
        (Request(ipc=b"", expects_response=-1), None, None, "whole number of seconds"),
        (Request(ipc=b"", expects_response=10**30), None, None, "whole number of seconds"),
        (Request(ipc=b"", capabilities=(5,)), None, None, "a capability is a Capability"),
        (Request(ipc=b""), b"bytes", None, "a payload is a Payload"),
        (Request(ipc=b""), Payload(bytes="text"), None, "a payload's bytes are bytes"),
        (Request(ipc=b""), Payload(mime=b"text/plain"), None, "a payload's mime is text"),
        (ASKED, None, "context", "a context is bytes"),
        ("a request", None, None, "what is sent is a Request"),
    ],
)
async def test_a_mistake_is_refused_where_it_is_made_and_nothing_is_sent(request_, payload, context, says):
    async with kernel_node() as node:
        a, b = await node.puppets("a", "b")

        def mistake(calls: Syscalls) -> None:
            calls.send_request(b.address, request_, context, payload)

        with pytest.raises((TypeError, ValueError), match=says):
            await a.do(mistake)
        await a.send(b, b"sound")
        assert (await b.receive()).ipc == b"sound"


async def test_a_target_that_is_no_address_is_refused_with_the_form_to_write():
    async with kernel_node() as node:
        a, _ = await node.puppets("a", "b")
        with pytest.raises(TypeError, match="our@process:package:publisher"):
            await a.do(lambda calls: calls.send_request("our@b:test:test", ASKED))


async def test_a_response_that_is_refused_leaves_the_request_open():
    """C-037, C-038: what raises has sent nothing, and the right Response still can be."""
    async with kernel_node() as node:
        a, b = await node.puppets("a", "b")
        asking = a.begin_ask(b, b"?")
        await b.receive()
        with pytest.raises(TypeError, match="ipc is bytes"):
            await b.do(lambda calls: calls.send_response(Response(ipc="text")))
        with pytest.raises(TypeError, match="Response"):
            await b.do(lambda calls: calls.send_response("text"))
        await b.do(lambda calls: calls.send_response(Response(ipc=b"!")))
        assert (await asking.result()).ipc == b"!"


async def test_a_refusal_names_the_node_and_not_the_word_our():
    """PROTOCOL 1.2."""
    async with kernel_node() as node:
        a, _ = await node.puppets("a", "b")
        nowhere = Address("our", ("none", "test", "test"))

        async def ask(calls: Syscalls) -> None:
            await calls.send_and_await_response(nowhere, ASKED, context=b"c")

        with pytest.raises(SendError, match="no process") as caught:
            await a.do(ask)
        assert caught.value.target.node == a.address.node
        assert caught.value.context == b"c"


@pytest.mark.parametrize("what", [5, b"bytes", None])
async def test_what_is_no_text_is_not_printed(what):
    async with kernel_node() as node:
        a, _ = await node.puppets("a", "b")
        with pytest.raises(TypeError, match="print_to_terminal"):
            await a.do(lambda calls: calls.print_to_terminal(0, what))


async def test_a_capability_call_takes_capabilities_only():
    async with kernel_node() as node:
        a, b = await node.puppets("a", "b")
        for call in ("attach_capability", "save_capabilities", "drop_capabilities"):
            with pytest.raises(TypeError, match="capabilit"):
                await a.do(lambda calls, call=call: getattr(calls, call)("x"))
        with pytest.raises(TypeError, match="capabilit"):
            await a.do(lambda calls: calls.share_capability(b.pid, "x"))
        await a.send(b, b"unharmed", expects=None)
        assert (await b.receive()).ipc == b"unharmed"
