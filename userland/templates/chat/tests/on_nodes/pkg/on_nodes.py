"""On fresh nodes: `nectar run-tests`."""

import json
from collections.abc import Sequence

from userland.process_lib import Address, Request
from userland.process_lib.tester import run_tests

PROCESS = "chat:chat:nectar"


async def init(our: Address) -> None:
    await run_tests(test_something_is_said_on_every_node)


async def test_something_is_said_on_every_node(nodes: Sequence[str]) -> None:
    for node in nodes:
        asked = Request().target((node, PROCESS)).ipc('{"Send":{"text":"hello"}}')
        answer = await asked.send_and_await_response(10)
        assert json.loads(answer.ipc)["message"]["text"] == "hello", f"{node} answered {answer.ipc!r}"
