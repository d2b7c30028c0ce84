"""On fresh nodes: `nectar run-tests`."""

import json
from collections.abc import Sequence
from typing import Any

from userland.process_lib import Address, Request, sleep
from userland.process_lib.tester import run_tests

PROCESS = "file_transfer:file_transfer:nectar"


async def init(our: Address) -> None:
    await run_tests(test_nodes_show_each_other_their_files, test_a_transfer_that_fails_says_why)


async def ask(node: str, question: object) -> Any:
    asked = Request().target((node, PROCESS)).ipc(json.dumps(question))
    return json.loads((await asked.send_and_await_response(20)).ipc)


async def test_nodes_show_each_other_their_files(nodes: Sequence[str]) -> None:
    for node in nodes:
        assert await ask(node, "Files") == {"Files": []}


async def test_a_transfer_that_fails_says_why(nodes: Sequence[str]) -> None:
    here, there = nodes[:2]
    number = (await ask(here, {"Get": {"node": there, "name": "none"}}))["Started"]["id"]
    while True:
        (transfer,) = [one for one in (await ask(here, "Transfers"))["Transfers"] if one["id"] == number]
        if transfer["state"] != "running":
            break
        await sleep(0.1)
    assert "there is no file 'none' here" in transfer["error"], transfer
