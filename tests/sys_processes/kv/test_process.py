from __future__ import annotations

import pytest
import trio

from kernel.capability import ROOT, Capability
from kernel.jsontext import JsonValue
from kernel.message import Payload, Request
from kernel.syscalls import current
from runtime.sim.engine import MemoryEngine
from sys_processes.devices import DatabaseName
from tests.support.database_calls import BLACK, GAMES, NO_DB, STRANGER, WHITE, Calls, request
from tests.support.module_node import ask, holds_open, module, module_node
from tests.sys_processes.kv.asking import MISSING, get, modules, set_

call = Calls("kv")


async def test_what_is_set_is_got_until_it_is_deleted() -> None:
    """C-155."""

    async def script() -> None:
        assert await call("Open") == "Ok"
        assert await get(b"a") == MISSING
        for value in (b"one", b"", bytes(range(256))):
            assert await set_(b"a", value) == "Ok"
            assert await get(b"a") == value
        assert await set_(b"", b"no key at all") == "Ok"
        assert await get(b"") == b"no key at all"
        for _ in range(2):
            assert await call({"Delete": {"key": list(b"a")}}) == "Ok"
        assert await get(b"a") == MISSING

    async with module_node(modules(MemoryEngine())) as node:
        await node.as_process(WHITE, script)


async def test_only_the_package_itself_makes_and_removes_its_databases() -> None:
    async def stranger() -> None:
        for action in ("Open", "RemoveDb"):
            assert await call(action) == {"Err": "MismatchingPackageId"}

    async def owner() -> None:
        assert await call("RemoveDb") == NO_DB

    async with module_node(modules(MemoryEngine())) as node:
        held = (call.capability("read"), call.capability("write"), Capability(module("kv"), ROOT))
        await node.as_process(STRANGER, stranger, held)
        await node.as_process(WHITE, owner)


async def test_another_process_needs_the_right_of_that_database() -> None:
    """C-156."""

    async def owner() -> None:
        await call("Open")
        await set_(b"a", b"1")

    async def without() -> None:
        assert await get(b"a") == b'{"Err":"NoReadCap"}'
        assert await call("Backup") == {
            "Err": {"error": {"NoCap": {"error": "the capability to read this database is missing"}}}
        }
        actions: list[JsonValue] = [{"Delete": {"key": []}}, "BeginTx", {"Commit": {"tx_id": 1}}]
        for action in actions:
            assert await call(action) == {"Err": "NoWriteCap"}
        assert await set_(b"a", b"2") == {"Err": "NoWriteCap"}

    async def reader() -> None:
        assert await get(b"a") == b"1"
        assert await set_(b"a", b"2") == {"Err": "NoWriteCap"}
        assert await get(b"a", "others") == b'{"Err":"NoReadCap"}'

    async def writer() -> None:
        assert await set_(b"a", b"2") == "Ok"
        assert await get(b"a") == b'{"Err":"NoReadCap"}'

    async with module_node(modules(MemoryEngine())) as node:
        await node.as_process(WHITE, owner)
        await node.as_process(STRANGER, without)
        await node.as_process(BLACK, without)
        await node.as_process(STRANGER, reader, (call.capability("read"),))
        await node.as_process(STRANGER, writer, (call.capability("write"),))


async def test_a_right_without_its_package_opens_nothing() -> None:
    """C-156: the form of E2 let any package's database of that name be read (F-86)."""

    async def stranger() -> None:
        assert await get(b"a") == b'{"Err":"NoReadCap"}'

    async with module_node(modules(MemoryEngine())) as node:
        await node.as_process(STRANGER, stranger, (Capability(module("kv"), '{"kind":"read","db":"games"}'),))


async def test_a_database_of_the_same_name_of_another_package_is_another_one() -> None:
    """C-156."""
    mine: JsonValue = {"package_name": "other", "publisher_node": "nectar"}

    async def owner() -> None:
        await call("Open")
        await set_(b"a", b"1")

    async def other() -> None:
        assert (await ask("kv", request("Open", package=mine))).ipc == b'"Ok"'
        assert (await ask("kv", request({"Get": [97]}, package=mine))).ipc == MISSING

    async with module_node(modules(MemoryEngine())) as node:
        await node.as_process(WHITE, owner)
        await node.as_process(STRANGER, other)


async def test_root_reads_and_writes_every_database() -> None:
    async def owner() -> None:
        await call("Open")

    async def root() -> None:
        assert await set_(b"a", b"1") == "Ok"
        assert await get(b"a") == b"1"

    async with module_node(modules(MemoryEngine())) as node:
        await node.as_process(WHITE, owner)
        await node.as_process(STRANGER, root, (Capability(module("kv"), ROOT),))


async def test_an_open_by_one_who_is_gone_gives_no_rights() -> None:
    gate, pause = holds_open()

    async def script() -> None:
        call.send("Open")

    async with module_node(modules(MemoryEngine(pause))) as node:
        await node.as_process(WHITE, script)
        gate.set()
        await trio.sleep(1)
        (undelivered,) = [letter.message.message for letter in node.kernel.router.dead_letters.all()]
        assert undelivered.ipc == b'{"Err":"AddCapFailed"}'


async def test_requests_of_one_process_happen_in_the_order_sent() -> None:
    """F-81."""

    async def pause() -> None:
        await trio.sleep(0.1)

    async def script() -> None:
        call.send("Open", context=b"open")
        for n in range(5):
            call.send({"Set": {"key": [97]}}, b"%d" % n, b"set %d" % n)
            call.send({"Get": [97]}, context=b"get %d" % n)
        answers = [await current().receive() for _ in range(11)]
        expected = [b"open", *(b"%s %d" % (word, n) for n in range(5) for word in (b"set", b"get"))]
        assert [answer.context for answer in answers] == expected
        got = [answer.payload() for answer in answers if answer.payload() is not None]
        assert [payload.bytes for payload in got] == [b"0", b"1", b"2", b"3", b"4"]

    async with module_node(modules(MemoryEngine(pause))) as node:
        await node.as_process(WHITE, script)


class UnevenEngine(MemoryEngine):
    """The database `slow` takes a minute for each call."""

    async def get(self, name: DatabaseName, key: bytes) -> bytes | None:
        if name.db == "slow":
            await trio.sleep(60)
        return await super().get(name, key)


async def test_a_slow_database_delays_nobody_else() -> None:
    async def slow() -> None:
        await call("Open", db="slow")
        ipc = request({"Get": [97]}, "slow")
        for _ in range(1500):
            current().send_request(module("kv"), Request(False, 1_000_000, ipc))
        refused = 0
        for _ in range(500):
            refused += b"1000 requests" in (await current().receive()).ipc
        assert refused == 500
        await current().sleep(3600)

    async def quick() -> None:
        await call("Open")
        begin = trio.current_time()
        assert await set_(b"a", b"1") == "Ok"
        assert await get(b"a") == b"1"
        assert trio.current_time() - begin < 1

    async with module_node(modules(UnevenEngine())) as node, trio.open_nursery() as nursery:
        nursery.start_soon(node.as_process, WHITE, slow)
        await trio.sleep(1)
        await node.as_process(BLACK, quick)
        nursery.cancel_scope.cancel()


async def test_early_spellings_are_answered_in_their_words() -> None:
    async def script() -> None:
        early: JsonValue = {"Get": {"key": [97]}}
        assert await call(early) == {
            "Err": {"error": {"NoCap": {"error": "the capability to read this database is missing"}}}
        }
        assert await call("New") == "Ok"
        assert await call("New") == "Ok"
        assert await call(early) == {"Err": {"error": "KeyNotFound"}}
        await set_(b"a", b"1")
        answer = await call.message(early)
        assert answer.ipc == b'{"Get":{"key":[97]}}'
        assert answer.payload() == Payload(None, b"1")
        assert await call("Backup") == "Ok"
        assert await call("RemoveDb") == "Ok"
        assert await call(early) == {"Err": {"error": "NoDb"}}
        assert await call("Backup") == {"Err": {"error": "NoDb"}}

    async with module_node(modules(MemoryEngine())) as node:
        await node.as_process(WHITE, script)


@pytest.mark.parametrize("db", ["", "..", "../games", "a/b", "/etc", "a\0b", "ä", "x" * 201])
async def test_no_name_leads_out_of_the_package(db: str) -> None:
    async def script() -> None:
        actions: list[JsonValue] = ["Open", {"Get": [97]}, "RemoveDb"]
        for action in actions:
            answer = await call.message(action, db=db)
            assert answer.ipc.startswith(b'{"Err":{"IOError":')
            assert b"is no name of a database" in answer.ipc

    async with module_node(modules(MemoryEngine())) as node:
        await node.as_process(WHITE, script)


async def test_what_is_too_large_is_refused_and_nothing_is_written() -> None:
    async def script() -> None:
        await call("Open")
        answer = await call.message({"Set": {"key": [97] * 65537}}, b"1")
        assert b"a key of 65537 bytes: at most 65536" in answer.ipc
        answer = await call.message({"Set": {"key": [97]}}, bytes((32 << 20) + 1))
        assert b"a value of 33554433 bytes: at most 33554432" in answer.ipc
        assert await get(b"a") == MISSING

    async with module_node(modules(MemoryEngine())) as node:
        await node.as_process(WHITE, script)


async def test_a_broken_disk_is_an_error_of_the_request_and_no_more() -> None:
    engine = MemoryEngine()

    async def script() -> None:
        await call("Open")
        await set_(b"a", b"1")
        number = await call.begin()
        await set_(b"a", b"2", number)
        engine.broken = "No space left on device"
        failed: JsonValue = {"Err": {"IOError": "games of chess:nectar: No space left on device"}}
        actions: list[JsonValue] = [{"Get": [97]}, {"Commit": {"tx_id": number}}, "BeginTx", "Open"]
        for action in actions:
            assert await call(action) == failed
        assert await set_(b"a", b"3") == failed
        engine.broken = None
        assert await get(b"a") == b"1"

    async with module_node(modules(engine)) as node:
        await node.as_process(WHITE, script)


async def test_a_damaged_database_is_an_error_and_its_neighbours_go_on() -> None:
    engine = MemoryEngine()

    async def script() -> None:
        await call("Open")
        await call("Open", db="other")
        engine.damaged[GAMES] = "Corruption: block checksum mismatch"
        text = "games of chess:nectar: Corruption: block checksum mismatch"
        assert await call({"Get": [97]}) == {"Err": {"RocksDBError": text}}
        assert await call({"Get": {"key": [97]}}) == {
            "Err": {"error": {"RocksDBError": {"action": "Get", "error": text}}}
        }
        assert await set_(b"a", b"1", db="other") == "Ok"

    async with module_node(modules(engine)) as node:
        await node.as_process(WHITE, script)


async def test_what_was_acknowledged_survives_a_crash() -> None:
    engine = MemoryEngine()

    async def before() -> None:
        await call("Open")
        await set_(b"a", b"1")
        await set_(b"b", b"1", await call.begin())

    async def after() -> None:
        await call("Open")
        assert await get(b"a") == b"1"
        assert await get(b"b") == MISSING

    async with module_node(modules(engine)) as node:
        await node.as_process(WHITE, before)
    async with module_node(modules(engine.crash())) as node:
        await node.as_process(WHITE, after)


async def test_bad_requests_are_answered_and_survived() -> None:
    """C-172."""

    async def script() -> None:
        for bad in (b"nonsense", b"", b"{}", request("Fly"), request({"Get": [256]}), b'{"ProcessExited":1}'):
            assert (await ask("kv", bad)).ipc == b'{"Err":"MalformedRequest"}'
        await call("Open")
        assert await call({"Set": {"key": [97]}}) == {"Err": "MalformedRequest"}
        assert await call({"Commit": {"tx_id": 2**64 - 1}}) == {"Err": {"NoTx": 2**64 - 1}}

    async with module_node(modules(MemoryEngine())) as node:
        await node.as_process(WHITE, script)


async def test_a_request_of_another_node_changes_nothing() -> None:
    """C-158."""
    engine = MemoryEngine()

    async def owner() -> None:
        await call("Open")

    async with module_node(modules(engine)) as node:
        await node.as_process(WHITE, owner)
        ipc = request({"Delete": {"key": [97]}})
        answers = await node.from_another_node("kv", Request(False, 5, ipc))
        assert answers == [b'{"Err":"NoReadCap"}']
