from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio

from kernel.address import PackageId, ProcessIdParseError
from kernel.jsontext import NotJson
from kernel.message import SendError
from kernel.syscalls import current
from runtime.sim.engine import MemoryEngine
from sys_processes.kv import process as kv_process
from tests.support.database_calls import GAMES, STRANGER, WHITE, Calls
from tests.support.module_node import module_node
from userland.process_lib import kv

CHESS = PackageId("chess", "nectar")


async def run(
    script: Callable[[], Awaitable[None]], process: str = WHITE, engine: MemoryEngine | None = None
) -> None:
    async with module_node({"kv": (kv_process.make(engine or MemoryEngine()), True)}) as node:
        await node.as_process(process, script)


async def test_bytes_and_text_are_kept_as_they_are() -> None:
    async def script() -> None:
        db = await kv.open(current().our.package_id, "games")
        assert db == kv.Kv(CHESS, "games")
        await db.set(b"\0\xff", bytearray(b"one"))
        await db.set("ä", "zwei")
        assert await db.get(memoryview(b"\0\xff")) == b"one"
        assert await db.get("ä".encode()) == b"zwei"
        assert await db.get_raw("ä") == b"zwei"
        await db.set_raw("ä", b"")
        assert await db.get("ä") == b""
        await db.delete_raw("ä")
        with pytest.raises(
            kv.KvError, match="Get in games of chess:nectar was refused: KeyNotFound"
        ) as caught:
            await db.get("ä")
        assert caught.value.error == kv.KeyNotFound()

    await run(script)


async def test_keys_and_values_may_be_json() -> None:
    async def script() -> None:
        db = await kv.open_raw("chess:nectar", "games")
        await db.set_as(["a", 1], {"moves": [1, 2]})
        assert await db.get_as(["a", 1]) == {"moves": [1, 2]}
        assert await db.get(b'["a",1]') == b'{"moves":[1,2]}'
        await db.set('"raw"', b"no JSON")
        with pytest.raises(kv.KvError) as caught:
            await db.get_as("raw")
        assert isinstance(caught.value.error, NotJson)
        await db.delete_as("raw")
        with pytest.raises(kv.KvError):
            await db.get_as("raw")

    await run(script)


async def test_a_transaction_happens_at_its_commit() -> None:
    async def script() -> None:
        db = await kv.open("chess:nectar", "games")
        await db.set("b", "old")
        tx = await db.begin_tx()
        await db.set("a", "1", tx)
        await db.set_as("c", 1, tx)
        await db.delete("b", tx)
        await db.delete_as("none", tx_id=tx)
        assert await db.get("b") == b"old"
        await db.commit_tx(tx)
        assert (await db.get("a"), await db.get_as("c")) == (b"1", 1)
        with pytest.raises(kv.KvError) as caught:
            await db.commit_tx(tx)
        assert caught.value.error == kv.NoTx(tx)

    await run(script)


async def test_a_removed_database_is_gone() -> None:
    async def script() -> None:
        db = await kv.open("chess:nectar", "games")
        await kv.remove_db("chess:nectar", "games")
        for call in (db.get("a"), db.begin_tx(), kv.remove_db(CHESS, "games")):
            with pytest.raises(kv.KvError) as caught:
                await call
            assert caught.value.error == kv.NoDb(CHESS, "games")

    await run(script)


async def test_a_process_of_another_package_needs_the_rights() -> None:
    call = Calls("kv")

    async def owner() -> None:
        db = await kv.open("chess:nectar", "games")
        await db.set("a", "1")

    async def without() -> None:
        with pytest.raises(kv.KvError) as caught:
            await kv.open("chess:nectar", "games")
        assert caught.value.error == kv.MismatchingPackageId()
        with pytest.raises(kv.KvError) as caught:
            await kv.Kv(CHESS, "games").get("a")
        assert caught.value.error == kv.NoReadCap()

    async def reader() -> None:
        assert await kv.Kv(CHESS, "games").get("a") == b"1"

    async with module_node({"kv": (kv_process.make(MemoryEngine()), True)}) as node:
        await node.as_process(WHITE, owner)
        await node.as_process(STRANGER, without)
        await node.as_process(STRANGER, reader, (call.capability("read", GAMES),))


async def test_mistakes_speak() -> None:
    async def script() -> None:
        db = kv.Kv(CHESS, "games")
        with pytest.raises(TypeError, match="a key is bytes or text, got int; the calls that end in _as"):
            await db.get(1)
        with pytest.raises(TypeError, match="a value is bytes or text, got dict"):
            await db.set("a", {})
        with pytest.raises(TypeError, match=r"write our\.package_id"):
            await kv.open(1, "games")
        with pytest.raises(ProcessIdParseError):
            await kv.open("chess", "games")

    await run(script)


async def test_a_call_waits_as_long_as_the_database_says() -> None:
    async def script() -> None:
        begin = trio.current_time()
        with pytest.raises(SendError):
            await kv.open("chess:nectar", "games", 2)
        assert 2 <= trio.current_time() - begin < 3

    await run(script, engine=MemoryEngine(trio.sleep_forever))
