"""A process whose job is to test others: `nectar run-tests` starts it on fresh nodes and asks it to (PROTOCOL 8.4)."""

from __future__ import annotations

import traceback
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

import trio

from kernel.codec import Malformed
from kernel.message import SendError
from sys_processes.tester.protocol import TESTER_ANSWER, TESTER_REQUEST, FailedTest, Run, answer_to
from userland.process_lib._builders import Response
from userland.process_lib._process import await_message, println

__all__ = ["run_tests"]

Test: TypeAlias = Callable[[Sequence[str]], Awaitable[object]]


async def run_tests(*tests: Test) -> None:
    """Wait for what asks for them, run the tests one after the other, and answer; again and again, for ever.

    Each is called with the names of the nodes, this one first. The first that raises ends the round: the answer names
    it and the line of the test where that happened. So does one that is not done when the time of the round is over.
    """
    while True:
        try:
            message = await await_message()
            request = TESTER_REQUEST.decode(message.ipc)
        except SendError:
            continue
        except Malformed as error:
            println(f"no request to run tests: {error}")
            continue
        failed = await _first_failure(request, tests)
        if message.wants_response:
            Response().ipc(TESTER_ANSWER.encode(answer_to(request, failed))).send()


async def _first_failure(request: Run, tests: Sequence[Test]) -> FailedTest | None:
    nodes = list(request.form.input_node_names)
    with trio.move_on_after(request.form.test_timeout):
        for test in tests:
            name = getattr(test, "__name__", "test")
            try:
                running = name
                await test(nodes)
            except Exception as error:  # noqa: BLE001 - whatever a test raises is how it fails
                println(f"{name} failed: {''.join(traceback.format_exception(error))}")
                return _place(name, test, error)
        return None
    println(f"{running} was not done after {request.form.test_timeout} s")
    return FailedTest(running, _file_of(test), 0, 0)


def _file_of(test: Test) -> str:
    code = getattr(test, "__code__", None)
    return "" if code is None else str(code.co_filename)


def _place(name: str, test: Test, error: Exception) -> FailedTest:
    """The innermost line that is in the file of the test."""
    file = _file_of(test)
    frames = [one for one in traceback.extract_tb(error.__traceback__) if one.filename == file]
    if not frames:
        return FailedTest(name, file, 0, 0)
    last = frames[-1]
    return FailedTest(name, file, last.lineno or 0, 0 if last.colno is None else last.colno + 1)
