"""On fresh nodes: `nectar run-tests`."""

from collections.abc import Sequence

from userland.process_lib import Address, Request
from userland.process_lib.tester import run_tests

PROCESS = "echo:echo:nectar"


async def init(our: Address) -> None:
    await run_tests(test_it_answers)


async def test_it_answers(nodes: Sequence[str]) -> None:
    answer = await Request().target((nodes[0], PROCESS)).ipc(b"hello").send_and_await_response(10)
    assert answer.ipc == b"hello", f"it answered {answer.ipc!r}"
