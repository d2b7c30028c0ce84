"""What every module of the runtime can rely on."""

from __future__ import annotations

from functools import partial

from kernel.address import Address, ProcessId
from kernel.codec import Malformed
from kernel.message import Message, Request, Response
from kernel.ports import Init
from kernel.syscalls import current
from sys_processes._serve import Answer, Later, Outcome, serve
from tests.support.module_node import NODE, ask, module, module_node

ALICE = "alice:test:alice.uq"


class Echo:
    """Breaks when told to."""

    def decode(self, message: Message) -> bytes:
        if message.ipc == b"malformed":
            raise Malformed("$", "it says so")
        return message.ipc

    async def handle(self, message: Message, request: bytes) -> Outcome:
        if request == b"bug":
            raise KeyError(request)
        if request == b"nothing":
            return None
        if request.startswith(b"later"):
            return Later(partial(self._later, request))
        if request == b"ask for trouble":
            nobody = Address(NODE, ProcessId("nobody", "test", "alice.uq"))
            current().send_request(nobody, Request(False, 1, b""))
        return Answer(request)

    async def _later(self, request: bytes) -> Answer:
        await current().sleep(1)
        if request == b"later bug":
            raise ZeroDivisionError
        return Answer(request)

    def malformed(self, error: Malformed) -> bytes:
        return b"malformed: " + error.problem.encode()

    def foreign(self) -> bytes:
        return b"foreign"

    def failed(self, error: Exception) -> bytes:
        return b"failed: " + type(error).__name__.encode()


def echo() -> dict[str, tuple[Init, bool]]:
    async def init(our: Address) -> None:
        await serve(Echo())

    return {"echo": (init, True)}


async def test_each_request_gets_its_own_answer_and_its_own_trouble() -> None:
    async def script() -> None:
        for ipc, answer in (
            (b"hello", b"hello"),
            (b"malformed", b"malformed: it says so"),
            (b"bug", b"failed: KeyError"),
            (b"later", b"later"),
            (b"later bug", b"failed: ZeroDivisionError"),
            (b"ask for trouble", b"ask for trouble"),
            (b"hello again", b"hello again"),
        ):
            assert (await ask("echo", ipc)).ipc == answer

    async with module_node(echo()) as node:
        await node.as_process(ALICE, script)
        assert (
            "failed to handle a request of alice.uq@alice:test:alice.uq: KeyError(b'bug')"
            in node.console.text
        )


async def test_work_of_a_request_does_not_hold_up_the_next() -> None:
    async def script() -> None:
        for ipc in (b"later 1", b"later 2", b"now"):
            current().send_request(module("echo"), Request(False, 9, ipc))
        first = await current().receive()
        others = sorted([(await current().receive()).ipc for _ in range(2)])
        assert (first.ipc, others) == (b"now", [b"later 1", b"later 2"])

    async with module_node(echo()) as node:
        await node.as_process(ALICE, script)


async def test_a_request_that_wants_no_answer_gets_none() -> None:
    async def script() -> None:
        for ipc in (b"hello", b"malformed", b"bug", b"later", b"later bug", b"nothing"):
            current().send_request(module("echo"), Request(ipc=ipc))
        assert (await ask("echo", b"end")).ipc == b"end"
        await current().sleep(2)

    async with module_node(echo()) as node:
        await node.as_process(ALICE, script)
        assert "dropped a Response" not in node.console.text


async def test_a_response_to_a_module_is_dropped() -> None:
    """The module once asked; what it hears then is no request of anybody."""

    async def answering(our: Address) -> None:
        await current().receive()
        current().send_response(Response(ipc=b"bug"))

    async def init(our: Address) -> None:
        current().send_request(module("answering"), Request(False, 5, b""))
        await serve(Echo())

    async def script() -> None:
        await current().sleep(1)
        assert (await ask("echo", b"hello")).ipc == b"hello"

    async with module_node({"answering": (answering, True), "echo": (init, True)}) as node:
        await node.as_process(ALICE, script)
        assert "failed to handle" not in node.console.text


async def test_other_nodes_are_refused_before_anything_is_read() -> None:
    async with module_node(echo()) as node:
        assert await node.from_another_node("echo", Request(False, 5, b"bug")) == [b"foreign"]
        assert "failed to handle" not in node.console.text
