"""PROTOCOL 7.9."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio

from kernel.address import ProcessId
from kernel.capability import ROOT, Capability
from kernel.jsontext import JsonValue, parse
from kernel.message import Request
from kernel.syscalls import current
from runtime.sim.open_files import SimOpenFiles
from sys_processes.fd_manager import process as fd_manager
from tests.support.module_node import ModuleNode, ask, module, module_node

CHESS = "chess:chess:nectar"
MESSAGING = Capability(module("fd_manager"), '"messaging"')
OWNER = (MESSAGING, Capability(module("fd_manager"), ROOT))


async def say(text: str) -> JsonValue:
    return parse((await ask("fd_manager", text.encode())).ipc)


@asynccontextmanager
async def manager(files: SimOpenFiles | None = None) -> AsyncIterator[tuple[ModuleNode, list[str]]]:
    """And what a module is told that asks for its share at its start."""
    told: list[str] = []

    async def keeper(our: object) -> None:
        current().send_request(module("fd_manager"), Request(ipc=b'"RequestFdsLimit"'))
        while True:
            message = await current().receive()
            assert message.source == module("fd_manager")
            told.append(message.ipc.decode())

    made = fd_manager.make(files or SimOpenFiles())
    async with module_node({"fd_manager": (made, False), "keeper": (keeper, False)}) as node:
        yield node, told


async def quiet() -> None:
    await trio.testing.wait_all_tasks_blocked()


async def test_who_asks_is_told_its_share_and_each_change_of_it() -> None:
    async def script() -> None:
        assert told == ['{"FdsLimit":180}']
        assert await say('"RequestFdsLimit"') == {"FdsLimit": 90}
        assert await say('"RequestFdsLimit"') == {"FdsLimit": 90}
        await quiet()
        assert told[1:] == ['{"FdsLimit":90}']
        assert await say('"FdsLimitHit"') == "Ok"
        assert await say('"GetState"') == {
            "GetState": {
                "keeper:sys:nectar": {"limit": 45, "hit_count": 0},
                CHESS: {"limit": 135, "hit_count": 1},
            }
        }
        await quiet()
        assert told[2:] == ['{"FdsLimit":45}']
        assert await say('{"GetProcessFdLimit":"keeper:sys:nectar"}') == {"GetProcessFdLimit": 45}
        assert await say('{"GetProcessFdLimit":"timer:sys:nectar"}') == {
            "Err": {"NotRegistered": "timer:sys:nectar"}
        }

    async with manager() as (node, told):
        await quiet()
        await node.as_process(CHESS, script, [MESSAGING])
        await quiet()
        # The share of who has ended goes to the others.
        assert told[3:] == ['{"FdsLimit":180}']


async def test_only_who_holds_root_changes_the_settings() -> None:
    updates = [
        '{"UpdateMaxFdsAsFractionOfUlimitPercentage":50}',
        '{"UpdateCullFractionDenominator":4}',
        '{"UpdateUpdateUlimitSecs":60}',
    ]

    async def stranger() -> None:
        assert [await say(update) for update in updates] == [{"Err": "NoCap"}] * 3

    async def owner() -> None:
        assert [await say(update) for update in updates] == ["Ok"] * 3
        assert await say('{"UpdateMaxFdsAsFractionOfUlimitPercentage":0}') == {
            "Err": {"BadRequest": {"error": "expected 1 to 100 percent, found 0"}}
        }

    async with manager(SimOpenFiles(allowed=200, used=0)) as (node, told):
        await node.as_process(CHESS, stranger, [MESSAGING])
        assert told == ['{"FdsLimit":150}']
        await node.as_process(CHESS, owner, OWNER)
        await quiet()
        assert told[1:] == ['{"FdsLimit":70}']


async def test_what_the_system_allows_is_looked_at_again() -> None:
    files = SimOpenFiles(allowed=1000, used=0)
    async with manager(files) as (_, told):
        await quiet()
        files.set(allowed=100, used=0)
        await quiet()
        files.set(allowed=100, used=90)
        await quiet()
        assert told == ['{"FdsLimit":180}', '{"FdsLimit":60}', '{"FdsLimit":30}']


async def test_files_are_counted_only_when_a_share_may_change() -> None:
    counts: list[None] = []

    class Counted(SimOpenFiles):
        def used(self) -> int:
            counts.append(None)
            return super().used()

    async def passes_by() -> None:
        await say('"GetState"')

    async def holds() -> None:
        for _ in range(5):
            await say('"RequestFdsLimit"')
            await say('"FdsLimitHit"')

    async with manager(Counted()) as (node, _):
        await quiet()
        assert len(counts) == 1
        for _ in range(5):
            await node.as_process("passer:chess:nectar", passes_by, [MESSAGING])
        await quiet()
        assert len(counts) == 1
        await node.as_process(CHESS, holds, [MESSAGING])
        await quiet()
        # Its coming, its hit and its end.
        assert len(counts) == 4


async def test_the_next_look_is_as_far_away_as_the_last_setting_says() -> None:
    waits: list[float] = []

    class Looks(SimOpenFiles):
        async def wait_look(self, seconds: float) -> None:
            waits.append(seconds)
            await super().wait_look(seconds)

    async def owner() -> None:
        await say('{"UpdateUpdateUlimitSecs":60}')
        await quiet()

    async with manager(Looks()) as (node, _):
        await quiet()
        await node.as_process(CHESS, owner, OWNER)
    assert waits == [3600, 60]


async def test_shares_outlive_a_restart_of_it_but_not_their_holders() -> None:
    async def script() -> None:
        await say('"FdsLimitHit"')
        await node.kernel.kill(ProcessId("fd_manager", "sys", "nectar"))
        await quiet()
        state = await say('"GetState"')
        assert state == {
            "GetState": {
                "keeper:sys:nectar": {"limit": 45, "hit_count": 0},
                CHESS: {"limit": 135, "hit_count": 1},
            }
        }

    async with manager() as (node, _):
        await node.as_process(CHESS, script, [MESSAGING])


@pytest.mark.parametrize(
    "ipc", [b"", b"\xff", b"{}", b'{"FdsLimit":1}', b'{"UpdateUpdateUlimitSecs":1.5}', b"[" * 9999]
)
async def test_nothing_that_is_sent_to_it_stops_it(ipc: bytes) -> None:
    """C-172."""

    async def script() -> None:
        answer = parse((await ask("fd_manager", ipc)).ipc)
        assert isinstance(answer, dict)
        assert list(answer) == ["Err"]
        assert await say('"RequestFdsLimit"') == {"FdsLimit": 90}

    async with manager() as (node, _):
        await node.as_process(CHESS, script, [MESSAGING])


async def test_another_node_has_no_say() -> None:
    """C-158."""
    async with manager() as (node, _):
        assert await node.from_another_node("fd_manager", Request(False, 5, b'"GetState"')) == [
            b'{"Err":"NoCap"}'
        ]
