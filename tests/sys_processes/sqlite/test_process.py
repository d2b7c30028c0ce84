from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
import trio

from kernel.capability import ROOT, Capability
from kernel.jsontext import JsonValue, dump, parse
from kernel.message import Request
from kernel.syscalls import current
from runtime.sim.chance import SeededChance
from runtime.sim.databases import MemoryDatabases
from runtime.sim.workers import Pause
from sys_processes.devices import DatabaseName, Statement
from sys_processes.sqlite import process as sqlite
from tests.support.database_calls import BLACK, GAMES, NO_DB, STRANGER, WHITE, Calls, request
from tests.support.module_node import ModuleNode, ask, module, module_node

call = Calls("sqlite")


def databases(pause: Pause = trio.lowlevel.checkpoint) -> MemoryDatabases:
    return MemoryDatabases(SeededChance(1), lambda: 1_700_000_000.0, pause)


@asynccontextmanager
async def sqlite_node(held: MemoryDatabases | None = None) -> AsyncIterator[ModuleNode]:
    held = held or databases()
    async with module_node({"sqlite": (sqlite.make(held), True)}) as node:
        yield node
    held.close()


async def write(statement: str, *given: JsonValue, tx_id: int | None = None, db: str = "games") -> JsonValue:
    parameters = dump(list(given)) if given else None
    return await call({"Write": {"statement": statement, "tx_id": tx_id}}, parameters, db)


async def query(statement: str, *given: JsonValue, db: str = "games") -> JsonValue:
    """The rows, or the answer that has none."""
    answer = await call.message({"Query": statement}, dump(list(given)) if given else None, db)
    payload = answer.payload()
    if payload is None:
        return parse(answer.ipc)
    assert (answer.ipc, payload.mime) == (b'"Read"', "application/json")
    return parse(payload.bytes)


async def open_table() -> None:
    assert await call("Open") == "Ok"
    assert await write("CREATE TABLE t (k INTEGER PRIMARY KEY, v)") == "Ok"


async def test_rows_come_back_as_objects_and_text_is_text() -> None:
    """C-157, F-88."""

    async def script() -> None:
        await open_table()
        values: list[JsonValue] = ["Dave", "abcd", 1, 2.5, True, None, {"base64": "AP8="}]
        for value in values:
            assert await write("INSERT INTO t (v) VALUES (?1)", value) == "Ok"
        assert await query("SELECT v, typeof(v) AS kind FROM t WHERE k <> ? ORDER BY k", 4) == [
            {"v": "Dave", "kind": "text"},
            {"v": "abcd", "kind": "text"},
            {"v": 1, "kind": "integer"},
            {"v": 1, "kind": "integer"},
            {"v": None, "kind": "null"},
            {"v": "AP8=", "kind": "blob"},
        ]
        assert await query("SELECT v FROM t WHERE v IS NULL AND k < 0") == []

    async with sqlite_node() as node:
        await node.as_process(WHITE, script)


async def test_attach_and_writing_through_a_query_are_refused() -> None:
    """C-157."""

    async def script() -> None:
        await open_table()
        assert await query("ATTACH '/etc/passwd' AS x") == {
            "Err": {"RusqliteError": "games of chess:nectar: ATTACH leads out of the database"}
        }
        assert await query("WITH x AS (SELECT 1) INSERT INTO t SELECT 1, 1") == {
            "Err": {"RusqliteError": "games of chess:nectar: attempt to write a readonly database"}
        }
        for statement in ("BEGIN", "PRAGMA writable_schema = ON", "ANALYZE", "SELECT load_extension('x')"):
            answer = await query(statement)
            assert isinstance(answer, dict)
            assert "RusqliteError" in answer["Err"]
        assert await query("INSERT INTO t VALUES (1, 1)") == {"Err": "NotAReadKeyword"}
        for statement in (
            "ATTACH '/x' AS x",
            "PRAGMA user_version = 1",
            "BEGIN",
            "SELECT 1",
            "WITH x AS (SELECT 1) INSERT INTO t SELECT 1, 1",
        ):
            assert await write(statement) == {"Err": "NotAWriteKeyword"}
        assert await query("SELECT * FROM t") == []

    async with sqlite_node() as node:
        await node.as_process(WHITE, script)


async def test_another_packages_database_is_refused() -> None:
    """C-157."""

    async def owner() -> None:
        await open_table()

    async def stranger() -> None:
        for action in ("Open", "RemoveDb"):
            assert await call(action) == {"Err": "MismatchingPackageId"}
        assert await query("SELECT * FROM t") == {"Err": "NoReadCap"}
        assert await query("not even SQL") == {"Err": "NoReadCap"}
        assert await write("DELETE FROM t") == {"Err": "NoWriteCap"}
        assert await call("BeginTx") == {"Err": "NoWriteCap"}
        assert await call({"Commit": {"tx_id": 1}}) == {"Err": "NoWriteCap"}

    async def reader() -> None:
        assert await query("SELECT * FROM t") == []
        assert await write("DELETE FROM t") == {"Err": "NoWriteCap"}

    async def writer() -> None:
        assert await write("DELETE FROM t") == "Ok"
        assert await query("SELECT * FROM t") == {"Err": "NoReadCap"}

    async with sqlite_node() as node:
        await node.as_process(WHITE, owner)
        await node.as_process(BLACK, reader, (call.capability("read"),))
        await node.as_process(STRANGER, stranger)
        await node.as_process(STRANGER, reader, (call.capability("read"),))
        await node.as_process(STRANGER, writer, (call.capability("write"),))
        await node.as_process(STRANGER, reader, (call.capability("read"), Capability(module("sqlite"), "1")))

    async def root() -> None:
        assert await write("DELETE FROM t") == {
            "Err": {"NoDb": [{"package_name": "chess", "publisher_node": "nectar"}, "games"]}
        }

    async with sqlite_node() as node:
        await node.as_process(STRANGER, root, (Capability(module("sqlite"), ROOT),))


async def test_a_transaction_happens_at_its_commit_whole_or_not_at_all() -> None:
    async def script() -> None:
        await open_table()
        good = await call.begin()
        for key in (1, 2):
            assert await write("INSERT INTO t VALUES (?, 'x')", key, tx_id=good) == "Ok"
        assert await query("SELECT * FROM t") == []
        assert await call({"Commit": {"tx_id": good}}) == "Ok"
        bad = await call.begin()
        assert await write("DELETE FROM t", tx_id=bad) == "Ok"
        assert await write("INSERT INTO nowhere VALUES (1)", tx_id=bad) == "Ok"
        assert await call({"Commit": {"tx_id": bad}}) == {
            "Err": {"RusqliteError": "games of chess:nectar: no such table: nowhere"}
        }
        assert await query("SELECT k FROM t") == [{"k": 1}, {"k": 2}]
        for number in (good, bad, 99):
            assert await call({"Commit": {"tx_id": number}}) == {"Err": {"NoTx": number}}
            assert await write("DELETE FROM t", tx_id=number) == {"Err": {"NoTx": number}}

    async with sqlite_node() as node:
        await node.as_process(WHITE, script)


async def test_what_a_dead_process_left_open_is_rolled_back() -> None:
    async def first() -> None:
        await open_table()
        number = await call.begin()
        await write("INSERT INTO t VALUES (1, 1)", tx_id=number)

    async def second() -> None:
        await call("Open")
        assert await call({"Commit": {"tx_id": 1}}) == {"Err": {"NoTx": 1}}
        assert await query("SELECT * FROM t") == []

    async with sqlite_node() as node:
        await node.as_process(WHITE, first)
        await node.as_process(WHITE, second)


async def test_a_transaction_ends_after_five_idle_minutes_and_with_its_database() -> None:
    async def script() -> None:
        await open_table()
        idle = await call.begin()
        await current().sleep(300)
        assert await write("DELETE FROM t", tx_id=idle) == {"Err": {"NoTx": idle}}
        removed = await call.begin()
        assert await call("RemoveDb") == "Ok"
        assert await call("RemoveDb") == NO_DB
        assert await query("SELECT 1") == NO_DB
        assert await call("BeginTx") == NO_DB
        await call("Open")
        assert await call({"Commit": {"tx_id": removed}}) == {"Err": {"NoTx": removed}}
        answer = await query("SELECT * FROM t")
        assert answer == {"Err": {"RusqliteError": "games of chess:nectar: no such table: t"}}

    async with sqlite_node() as node:
        await node.as_process(WHITE, script)


async def test_wrong_parameters_are_refused() -> None:
    async def script() -> None:
        await open_table()
        for payload in (b"nonsense", b'{"a":1}', b"[[1]]", b'[{"base64":"!"}]'):
            refused: JsonValue = {"Err": "InvalidParameters"}
            assert await call({"Query": "SELECT ?"}, payload) == refused
            assert await call({"Write": {"statement": "INSERT INTO t (v) VALUES (?)"}}, payload) == refused
        answer = await query("SELECT ?, ?", 1)
        assert isinstance(answer, dict)
        assert "RusqliteError" in answer["Err"]

    async with sqlite_node() as node:
        await node.as_process(WHITE, script)


async def test_early_spellings_are_answered_in_their_words() -> None:
    async def script() -> None:
        early: JsonValue = {"Read": {"query": "SELECT 1 AS one"}}
        no_cap: JsonValue = {"error": {"NoCap": {"error": "the capability to read this database is missing"}}}
        assert await call(early) == {"Err": no_cap}
        assert await call("New") == "Ok"
        answer = await call.message(early)
        assert answer.ipc == b'"Read"'
        assert answer.payload().bytes == b'[{"one":1}]'
        assert await call({"Read": {"query": "DELETE"}}) == {"Err": {"error": "NotAReadKeyword"}}
        assert await call(early, b"1") == {"Err": {"error": "InvalidParameters"}}
        assert await call({"Read": {"query": "SELECT"}}) == {
            "Err": {"error": {"RusqliteError": {"error": "games of chess:nectar: incomplete input"}}}
        }
        assert await call("Backup") == "Ok"
        await call("RemoveDb")
        assert await call("Backup") == await call(early) == {"Err": {"error": "NoDb"}}

    async with sqlite_node() as node:
        await node.as_process(WHITE, script)


async def test_requests_of_one_process_happen_in_the_order_sent() -> None:
    """F-81."""

    async def pause() -> None:
        await trio.sleep(0.1)

    async def script() -> None:
        call.send("Open")
        call.send({"Write": {"statement": "CREATE TABLE t (k)"}})
        for n in range(5):
            call.send({"Write": {"statement": "INSERT INTO t VALUES (?)"}}, b"[%d]" % n)
            call.send({"Query": "SELECT count(*) AS n FROM t"})
        answers = [await current().receive() for _ in range(12)]
        rows = [payload.bytes for answer in answers if (payload := answer.payload()) is not None]
        assert rows == [b'[{"n":%d}]' % n for n in range(1, 6)]

    async with sqlite_node(databases(pause)) as node:
        await node.as_process(WHITE, script)


class UnevenDatabases(MemoryDatabases):
    """The database `slow` takes a minute for each write."""

    async def write(self, name: DatabaseName, statements: Sequence[Statement]) -> None:
        if name.db == "slow":
            await trio.sleep(60)
        await super().write(name, statements)


async def test_a_slow_database_delays_nobody_else() -> None:
    async def slow() -> None:
        await call("Open", db="slow")
        assert await write("CREATE TABLE t (k)", db="slow") == "Ok"

    async def quick() -> None:
        begin = trio.current_time()
        await open_table()
        assert trio.current_time() - begin < 1

    held = UnevenDatabases(SeededChance(1), lambda: 0.0)
    async with sqlite_node(held) as node, trio.open_nursery() as nursery:
        nursery.start_soon(node.as_process, WHITE, slow)
        await trio.sleep(1)
        await node.as_process(BLACK, quick)
        nursery.cancel_scope.cancel()


async def test_a_broken_disk_and_a_damaged_database_are_errors_and_no_more() -> None:
    held = databases()

    async def script() -> None:
        await open_table()
        held.broken = "No space left on device"
        failed: JsonValue = {"Err": {"IOError": "games of chess:nectar: No space left on device"}}
        assert await write("DELETE FROM t") == failed
        assert await query("SELECT 1") == failed
        assert await call("Open", db="other") == {
            "Err": {"IOError": "other of chess:nectar: No space left on device"}
        }
        held.broken = None
        held.damaged[GAMES] = "database disk image is malformed"
        damaged: JsonValue = {
            "Err": {"RusqliteError": "games of chess:nectar: database disk image is malformed"}
        }
        assert await query("SELECT 1") == damaged
        assert await call("Open", db="other") == "Ok"
        assert await query("SELECT 1 AS x", db="other") == [{"x": 1}]
        del held.damaged[GAMES]
        assert await query("SELECT * FROM t") == []

    async with sqlite_node(held) as node:
        await node.as_process(WHITE, script)


async def test_what_was_acknowledged_survives_a_crash() -> None:
    held = databases()

    async def before() -> None:
        await open_table()
        await write("INSERT INTO t VALUES (1, 1)")
        await write("DELETE FROM t", tx_id=await call.begin())

    async def after() -> None:
        await call("Open")
        assert await query("SELECT * FROM t") == [{"k": 1, "v": 1}]

    async with module_node({"sqlite": (sqlite.make(held), True)}) as node:
        await node.as_process(WHITE, before)
    async with sqlite_node(held.crash()) as node:
        await node.as_process(WHITE, after)


@pytest.mark.parametrize("db", ["", "..", "../games", "a/b", "/etc", "a\0b", "x" * 201])
async def test_no_name_leads_out_of_the_package(db: str) -> None:
    async def script() -> None:
        actions: list[JsonValue] = ["Open", {"Query": "SELECT 1"}, "RemoveDb"]
        for action in actions:
            assert b"is no name of a database" in (await call.message(action, db=db)).ipc

    async with sqlite_node() as node:
        await node.as_process(WHITE, script)


async def test_bad_requests_are_answered_and_survived() -> None:
    """C-172."""

    async def script() -> None:
        for bad in (b"nonsense", b"", b"{}", request("Fly"), request({"Query": 1}), b'{"ProcessExited":1}'):
            assert (await ask("sqlite", bad)).ipc == b'{"Err":"MalformedRequest"}'
        assert await call("Open") == "Ok"

    async with sqlite_node() as node:
        await node.as_process(WHITE, script)


async def test_a_request_of_another_node_changes_nothing() -> None:
    """C-158."""

    async def owner() -> None:
        await open_table()

    async def check() -> None:
        await call("Open")
        assert await query("SELECT * FROM t") == []

    async with sqlite_node() as node:
        await node.as_process(WHITE, owner)
        ipc = request({"Write": {"statement": "DROP TABLE t"}})
        assert await node.from_another_node("sqlite", Request(False, 5, ipc)) == [b'{"Err":"NoReadCap"}']
        await node.as_process(WHITE, check)
