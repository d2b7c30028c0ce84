from __future__ import annotations

import pytest
import trio

from kernel.message import Payload, Request, SendError
from kernel.syscalls import current
from sys_processes.timer import process as timer
from sys_processes.timer.protocol import encode_timer
from tests.support.module_node import ask, module, module_node

TIMER = {"timer": (timer.make(), True)}
ALICE = "alice:test:alice.uq"


@pytest.mark.parametrize("ipc", [encode_timer(300), b'{"SetTimer":300}'])
async def test_a_timer_answers_after_its_time_with_an_empty_ipc_and_the_context(ipc: bytes) -> None:
    """C-147, C-148."""

    async def script() -> None:
        start = trio.current_time()
        current().send_request(module("timer"), Request(False, 1, ipc), context=b"tea")
        answer = await current().receive()
        assert 0.3 <= trio.current_time() - start <= 0.4
        assert (answer.ipc, answer.context, answer.payload()) == (b"", b"tea", None)

    async with module_node(TIMER) as node:
        await node.as_process(ALICE, script)


async def test_many_timers_run_at_once_and_end_in_the_order_of_their_times() -> None:
    async def script() -> None:
        start = trio.current_time()
        for ms in (900, 100, 500, 0):
            current().send_request(
                module("timer"), Request(False, 2, encode_timer(ms)), context=str(ms).encode()
            )
        ended = [(await current().receive()).context for _ in range(4)]
        assert ended == [b"0", b"100", b"500", b"900"]
        assert trio.current_time() - start == pytest.approx(0.9)

    async with module_node(TIMER) as node:
        await node.as_process(ALICE, script)


async def test_a_timer_that_outlasts_its_asker_is_not_kept() -> None:
    async def script() -> None:
        with pytest.raises(SendError) as caught:
            await ask("timer", encode_timer(5_000), seconds=1)
        assert caught.value.kind.is_timeout()
        await ask("timer", b"debug")

    async with module_node(TIMER) as node:
        await node.as_process(ALICE, script)
        assert "0 timers run" in node.console.text


async def test_debug_prints_how_many_timers_run() -> None:
    async def script() -> None:
        current().send_request(module("timer"), Request(False, 60, encode_timer(30_000)))
        current().send_request(module("timer"), Request(False, None, encode_timer(30_000)))
        await current().sleep(1)
        assert (await ask("timer", b'"Debug"')).ipc == b""

    async with module_node(TIMER) as node:
        await node.as_process(ALICE, script)
        assert "1 timers run" in node.console.text


async def test_nothing_that_is_sent_to_it_stops_the_timer() -> None:
    """C-172."""

    async def script() -> None:
        for ipc in (b"", b"\xff", b"{}", b'{"SetTimer":-1}', b"[" * 10_000):
            assert (await ask("timer", ipc, Payload(None, b"x"))).ipc == b'{"Err":"MalformedRequest"}'
            current().send_request(module("timer"), Request(ipc=ipc))
        assert (await ask("timer", encode_timer(10))).ipc == b""

    async with module_node(TIMER) as node:
        await node.as_process(ALICE, script)


async def test_a_request_of_another_node_sets_no_timer() -> None:
    """C-158."""
    async with module_node(TIMER) as node:
        answers = await node.from_another_node("timer", Request(False, 5, encode_timer(100)))
        assert answers == [b'{"Err":"MalformedRequest"}']
