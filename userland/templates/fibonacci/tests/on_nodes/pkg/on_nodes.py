"""On fresh nodes: `nectar run-tests`."""

import json
from collections.abc import Sequence

from userland.process_lib import Address, Request
from userland.process_lib.tester import run_tests

PROCESS = "fibonacci:fibonacci:nectar"


async def init(our: Address) -> None:
    await run_tests(test_it_knows_the_numbers)


async def test_it_knows_the_numbers(nodes: Sequence[str]) -> None:
    answer = await Request().target((nodes[0], PROCESS)).ipc('{"Number":10}').send_and_await_response(10)
    assert json.loads(answer.ipc) == {"Number": 55}, f"it answered {answer.ipc!r}"
