"""Transactions of kv: when they happen, whose they are, and when they end."""

from __future__ import annotations

import trio

from kernel.jsontext import JsonValue
from kernel.syscalls import current
from runtime.sim.engine import MemoryEngine
from tests.support.database_calls import BLACK, NO_DB, WHITE, Calls
from tests.support.module_node import module_node
from tests.sys_processes.kv.asking import MISSING, get, modules, set_

call = Calls("kv")


async def test_a_transaction_is_invisible_until_its_commit() -> None:
    """C-155."""

    async def script() -> None:
        await call("Open")
        await set_(b"a", b"old")
        number = await call.begin()
        assert await set_(b"a", b"new", number) == "Ok"
        assert await set_(b"b", b"1", number) == "Ok"
        assert await call({"Delete": {"key": list(b"b"), "tx_id": number}}) == "Ok"
        assert await set_(b"c", b"1", number) == "Ok"
        assert [await get(key) for key in (b"a", b"b", b"c")] == [b"old", MISSING, MISSING]
        assert await call({"Commit": {"tx_id": number}}) == "Ok"
        assert [await get(key) for key in (b"a", b"b", b"c")] == [b"new", MISSING, b"1"]
        assert await call({"Commit": {"tx_id": number}}) == {"Err": {"NoTx": number}}

    async with module_node(modules(MemoryEngine())) as node:
        await node.as_process(WHITE, script)


async def test_a_removed_database_is_gone_with_its_transactions() -> None:
    """F-87."""

    async def script() -> None:
        await call("Open")
        await set_(b"a", b"1")
        number = await call.begin()
        assert await call("RemoveDb") == "Ok"
        assert await call("RemoveDb") == NO_DB
        actions: list[JsonValue] = [{"Get": [97]}, "BeginTx", {"Delete": {"key": [97]}}]
        for action in actions:
            assert await call(action) == NO_DB
        assert await call({"Commit": {"tx_id": number}}) == {"Err": {"NoTx": number}}
        await call("Open")
        assert await get(b"a") == MISSING

    async with module_node(modules(MemoryEngine())) as node:
        await node.as_process(WHITE, script)


async def test_a_transaction_is_of_its_process_and_its_database_only() -> None:
    """F-87."""
    numbers: list[int] = []
    done = trio.Event()

    async def white() -> None:
        await call("Open")
        await call("Open", db="other")
        numbers.append(await call.begin())
        refused: JsonValue = {"Err": {"NoTx": numbers[0]}}
        assert await set_(b"a", b"1", numbers[0], "other") == refused
        await done.wait()
        assert await call({"Commit": {"tx_id": numbers[0]}}) == "Ok"
        assert await get(b"a") == MISSING

    async def black() -> None:
        await call("Open")
        refused: JsonValue = {"Err": {"NoTx": numbers[0]}}
        assert await set_(b"a", b"black", numbers[0]) == refused
        assert await call({"Commit": {"tx_id": numbers[0]}}) == refused
        done.set()

    async with module_node(modules(MemoryEngine())) as node, trio.open_nursery() as nursery:
        nursery.start_soon(node.as_process, WHITE, white)
        await trio.sleep(1)
        await node.as_process(BLACK, black)


async def test_a_transaction_ends_after_five_idle_minutes() -> None:
    """F-87."""

    async def script() -> None:
        await call("Open")
        used, idle = await call.begin(), await call.begin()
        for _ in range(3):
            await current().sleep(200)
            assert await set_(b"a", b"1", used) == "Ok"
        assert await call({"Commit": {"tx_id": idle}}) == {"Err": {"NoTx": idle}}
        await current().sleep(299)
        assert await call({"Commit": {"tx_id": used}}) == "Ok"
        late = await call.begin()
        await current().sleep(300)
        assert await set_(b"a", b"1", late) == {"Err": {"NoTx": late}}

    async with module_node(modules(MemoryEngine())) as node:
        await node.as_process(WHITE, script)


async def test_what_a_dead_process_left_open_is_rolled_back() -> None:
    """F-87: and what it committed before, without waiting for the answer, is there."""

    async def first() -> None:
        await call("Open")
        number = await call.begin()
        await set_(b"kept", b"1", number)
        open_one = await call.begin()
        await set_(b"lost", b"1", open_one)
        await call({"Commit": {"tx_id": number}})

    async def second() -> None:
        await call("Open")
        assert await call({"Commit": {"tx_id": 2}}) == {"Err": {"NoTx": 2}}
        assert await get(b"kept") == b"1"
        assert await get(b"lost") == MISSING

    async with module_node(modules(MemoryEngine())) as node:
        await node.as_process(WHITE, first)
        await node.as_process(WHITE, second)
