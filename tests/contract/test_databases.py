"""What all Databases do, those in files and those in memory, crashes included."""

from __future__ import annotations

import shutil
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

import attrs
import hypothesis.strategies as st
import pytest
import trio
from hypothesis import given, settings

from kernel.address import PackageId
from runtime.databases import SqliteDatabases
from runtime.sim.chance import SeededChance
from runtime.sim.databases import MemoryDatabases
from runtime.sim.workers import InlineWorkers
from sys_processes.devices import DatabaseName, EngineFailed, NoDatabase, SqlRow, SqlValue, Statement

GAMES = DatabaseName(PackageId("chess", "nectar"), "games")
OTHERS = DatabaseName(PackageId("chess", "other"), "games")

AnyDatabases = SqliteDatabases | MemoryDatabases


class Bench(ABC):
    """Opens databases and crashes them."""

    @abstractmethod
    async def open(self) -> AnyDatabases: ...

    @abstractmethod
    async def crash(self, databases: AnyDatabases) -> AnyDatabases:
        """The databases as the next boot finds them."""

    @abstractmethod
    async def aclose(self) -> None: ...


@attrs.define
class FileBench(Bench):
    folder: Path
    opened: list[SqliteDatabases] = attrs.Factory(list)

    async def open(self) -> SqliteDatabases:
        place = self.folder / str(len(self.opened))
        databases = await SqliteDatabases.open(place, InlineWorkers(), seconds=0.5, most_open=2)
        self.opened.append(databases)
        return databases

    async def crash(self, databases: AnyDatabases) -> SqliteDatabases:
        # What a killed process leaves are its files as they are at that moment; the index of the log is shared memory.
        here, place = (self.folder / str(len(self.opened) - n) for n in (1, 0))
        shutil.copytree(here, place, ignore=shutil.ignore_patterns("*-shm"))
        return await self.open()

    async def aclose(self) -> None:
        for databases in self.opened:
            await databases.aclose()


@attrs.define
class MemoryBench(Bench):
    opened: list[MemoryDatabases] = attrs.Factory(list)

    async def open(self) -> MemoryDatabases:
        self.opened.append(MemoryDatabases(SeededChance(1), lambda: 1_700_000_000.0))
        return self.opened[-1]

    async def crash(self, databases: AnyDatabases) -> MemoryDatabases:
        assert isinstance(databases, MemoryDatabases)
        self.opened.append(databases.crash())
        return self.opened[-1]

    async def aclose(self) -> None:
        self.opened[-1].close()


@pytest.fixture(params=["files", "memory"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    return FileBench(tmp_path) if request.param == "files" else MemoryBench()


def table(columns: Sequence[str], rows: Sequence[SqlRow]) -> tuple[list[str], list[SqlRow]]:
    return list(columns), list(rows)


async def rows(
    databases: AnyDatabases, query: str, *given_: SqlValue, name: DatabaseName = GAMES
) -> list[SqlRow]:
    return (await databases.query(name, (query, given_), table))[1]


async def with_table(databases: AnyDatabases, name: DatabaseName = GAMES) -> None:
    await databases.make(name)
    await databases.write(name, [("CREATE TABLE t (k INTEGER PRIMARY KEY, v)", ())])


async def test_every_kind_of_value_comes_back_as_it_was(bench: Bench) -> None:
    databases = await bench.open()
    await with_table(databases)
    values: list[SqlValue] = [1, -(2**63), 2**63 - 1, 0.5, "", "Dave", "ä\0", b"", b"\0\xff", None]
    for number, value in enumerate(values):
        await databases.write(GAMES, [("INSERT INTO t VALUES (?1, ?2)", (number, value))])
    found = await databases.query(GAMES, ("SELECT v, typeof(v) AS kind FROM t ORDER BY k", ()), table)
    assert found[0] == ["v", "kind"]
    assert [row[0] for row in found[1]] == values
    kinds = ["integer", "integer", "integer", "real", "text", "text", "text", "blob", "blob", "null"]
    assert [row[1] for row in found[1]] == kinds
    await bench.aclose()


async def test_a_batch_happens_whole_or_not_at_all(bench: Bench) -> None:
    databases = await bench.open()
    await with_table(databases)
    good: Statement = ("INSERT INTO t VALUES (1, 'a')", ())
    for bad in ("INSERT INTO t VALUES (1, 'b')", "INSERT INTO none VALUES (1)", "SELEC", "COMMIT", "VACUUM"):
        with pytest.raises(EngineFailed, match="games of chess:nectar"):
            await databases.write(GAMES, [good, (bad, ())])
        assert await rows(databases, "SELECT * FROM t") == []
    await databases.write(
        GAMES, [good, ("UPDATE t SET v = 'c'", ()), ("SAVEPOINT s", ()), ("DELETE FROM t", ())]
    )
    await databases.write(GAMES, [good, ("SAVEPOINT s", ()), ("DELETE FROM t", ()), ("ROLLBACK TO s", ())])
    await databases.write(GAMES, [])
    assert await rows(databases, "SELECT * FROM t") == [(1, "a")]
    await bench.aclose()


async def test_what_nobody_made_is_missing_and_making_it_twice_loses_nothing(bench: Bench) -> None:
    databases = await bench.open()
    for call in (rows(databases, "SELECT 1"), databases.write(GAMES, []), databases.remove(GAMES)):
        with pytest.raises(NoDatabase, match="games of chess:nectar"):
            await call
    assert not await databases.exists(GAMES)
    await with_table(databases)
    await databases.make(GAMES)
    assert await databases.exists(GAMES)
    assert await rows(databases, "SELECT * FROM t") == []
    await bench.aclose()


async def test_databases_of_one_name_in_two_packages_do_not_meet(bench: Bench) -> None:
    databases = await bench.open()
    await with_table(databases)
    await databases.make(OTHERS)
    with pytest.raises(EngineFailed, match="no such table: t"):
        await rows(databases, "SELECT * FROM t", name=OTHERS)
    await databases.remove(OTHERS)
    assert await rows(databases, "SELECT * FROM t") == []
    await bench.aclose()


async def test_the_databases_of_a_package_are_listed(bench: Bench) -> None:
    databases = await bench.open()
    assert await databases.names(GAMES.package) == []
    second = DatabaseName(GAMES.package, "a")
    for name in (GAMES, second, OTHERS):
        await databases.make(name)
    assert await databases.names(GAMES.package) == [second, GAMES]
    await databases.remove(second)
    assert await databases.names(GAMES.package) == [GAMES]
    await bench.aclose()


async def test_removing_leaves_nothing_behind(bench: Bench) -> None:
    databases = await bench.open()
    await with_table(databases)
    assert await rows(databases, "SELECT * FROM t") == []
    await databases.remove(GAMES)
    assert not await databases.exists(GAMES)
    databases = await bench.crash(databases)
    assert not await databases.exists(GAMES)
    await with_table(databases)
    await bench.aclose()


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO t VALUES (2, 2)",
        "WITH x AS (SELECT 2) INSERT INTO t SELECT 2, 2",
        "DELETE FROM t",
        "CREATE TABLE u (x)",
        "DROP TABLE t",
        "ANALYZE",
        "VACUUM",
        "PRAGMA user_version = 5",
        "PRAGMA query_only = OFF",
        "PRAGMA journal_mode = DELETE",
        "PRAGMA writable_schema = ON",
        "BEGIN",
        "CREATE TEMP TABLE u (x)",
    ],
)
async def test_a_query_changes_nothing(bench: Bench, statement: str) -> None:
    """C-157."""
    databases = await bench.open()
    await with_table(databases)
    await databases.write(GAMES, [("INSERT INTO t VALUES (1, 1)", ())])
    for _ in range(2):
        with pytest.raises(EngineFailed):
            await rows(databases, statement)
    assert await rows(databases, "SELECT * FROM t") == [(1, 1)]
    assert await rows(databases, "PRAGMA user_version") == [(0,)]
    await bench.aclose()


@pytest.mark.parametrize(
    "statement",
    [
        "ATTACH '{other}' AS o",
        "ATTACH '' AS o",
        "DETACH main",
        "VACUUM INTO '{other}'",
        "SELECT load_extension('{other}')",
        "PRAGMA database_list",
        "PRAGMA temp_store_directory = '/'",
        "PRAGMA foreign_keys = OFF",
        "SELECT * FROM pragma_database_list",
        "CREATE VIRTUAL TABLE v USING dbstat",
        "CREATE TEMP TABLE u (x)",
        "COMMIT",
        "END",
        "ROLLBACK",
        "BEGIN",
        "INSERT INTO t VALUES (2, 2); ATTACH '{other}' AS o",
    ],
)
async def test_no_statement_leads_out_of_its_database(bench: Bench, statement: str, tmp_path: Path) -> None:
    """C-157."""
    databases = await bench.open()
    await with_table(databases)
    other = tmp_path / "other.sqlite"
    text = statement.format(other=other)
    for _ in range(2):
        with pytest.raises(EngineFailed):
            await rows(databases, text)
        with pytest.raises(EngineFailed):
            await databases.write(GAMES, [(text, ())])
    assert not other.exists()
    assert await rows(databases, "SELECT * FROM t") == []
    await bench.aclose()


@pytest.mark.parametrize(
    "statements",
    [
        ["VACUUM"],
        ["vacuum;"],
        ["ANALYZE", "REINDEX"],
        ["CREATE INDEX i ON t (v)", "DROP INDEX i"],
        ["ALTER TABLE t ADD COLUMN w DEFAULT 3", "UPDATE t SET w = 4"],
        ["CREATE VIEW w AS SELECT * FROM t", "DROP VIEW w"],
        ["CREATE TRIGGER g AFTER INSERT ON t BEGIN DELETE FROM t; END", "INSERT INTO t VALUES (5, 5)"],
        ["CREATE VIRTUAL TABLE f USING fts5(x)", "INSERT INTO f VALUES ('a b')", "DROP TABLE f"],
        ["REPLACE INTO t VALUES (1, 2)", "INSERT INTO t VALUES (9, 9) RETURNING k"],
    ],
)
async def test_what_stays_in_the_database_is_allowed(bench: Bench, statements: list[str]) -> None:
    databases = await bench.open()
    await with_table(databases)
    await databases.write(GAMES, [(statement, ()) for statement in statements])
    for pragma in ("table_info(t)", "integrity_check", "user_version", "index_list('t')"):
        await rows(databases, f"PRAGMA {pragma}")
    assert await rows(databases, "SELECT name FROM pragma_table_info('t') LIMIT 1") == [("k",)]
    assert await rows(databases, "EXPLAIN QUERY PLAN SELECT * FROM t")
    await bench.aclose()


async def test_a_statement_without_end_is_stopped(bench: Bench) -> None:
    databases = await bench.open()
    await with_table(databases)
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) "
    with pytest.raises(EngineFailed, match="took too long"):
        await rows(databases, endless + "SELECT count(*) FROM n")
    with pytest.raises(EngineFailed, match="took too long"):
        await databases.write(GAMES, [("REPLACE INTO t " + endless + "SELECT 1, x FROM n", ())])
    assert await rows(databases, "SELECT * FROM t") == []
    await bench.aclose()


async def test_more_rows_than_fit_are_refused(bench: Bench) -> None:
    databases = await bench.open()
    await databases.make(GAMES)
    with pytest.raises(EngineFailed, match="ask for fewer with LIMIT"):
        await rows(
            databases,
            "WITH RECURSIVE n(x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM n) SELECT zeroblob(9000000) FROM n",
        )
    with pytest.raises(EngineFailed, match="too big"):
        await rows(databases, "SELECT zeroblob(1000000000)")
    assert await rows(databases, "SELECT 1") == [(1,)]
    await bench.aclose()


async def test_wrong_parameters_are_an_error(bench: Bench) -> None:
    databases = await bench.open()
    await with_table(databases)
    for given_ in ((), (1, 2, 3), (1, 2**63)):
        with pytest.raises(EngineFailed):
            await databases.write(GAMES, [("INSERT INTO t VALUES (?, ?)", given_)])
    await bench.aclose()


async def test_foreign_keys_hold(bench: Bench) -> None:
    databases = await bench.open()
    await with_table(databases)
    await databases.write(GAMES, [("CREATE TABLE u (k REFERENCES t DEFERRABLE INITIALLY DEFERRED)", ())])
    with pytest.raises(EngineFailed, match="FOREIGN KEY"):
        await databases.write(GAMES, [("INSERT INTO u VALUES (1)", ())])
    await databases.write(GAMES, [("INSERT INTO u VALUES (1)", ()), ("INSERT INTO t VALUES (1, 1)", ())])
    assert await rows(databases, "SELECT * FROM u") == [(1,)]
    await bench.aclose()


async def test_many_databases_and_many_tasks_at_once(bench: Bench) -> None:
    """More of them than stay open."""
    databases = await bench.open()
    names = [DatabaseName(GAMES.package, f"db{n}") for n in range(4)]
    for name in names:
        await with_table(databases, name)

    async def use(name: DatabaseName, task: int) -> None:
        for n in range(4):
            await databases.write(name, [("INSERT INTO t VALUES (?, ?)", (task * 10 + n, name.db))])
            found = await rows(databases, "SELECT v FROM t WHERE k = ?", task * 10 + n, name=name)
            assert found == [(name.db,)]

    async with trio.open_nursery() as nursery:
        for name in names:
            for task in range(6):
                nursery.start_soon(use, name, task)
    databases = await bench.crash(databases)
    for name in names:
        assert await rows(databases, "SELECT count(*) FROM t", name=name) == [(24,)]
    await bench.aclose()


KEYS = st.integers(1, 3)
BATCHES = st.lists(st.tuples(KEYS, st.none() | st.sampled_from(["1", "2"])), min_size=1, max_size=3)
STEPS = st.lists(st.just("crash") | st.tuples(st.booleans(), BATCHES), max_size=10)


async def follow(bench: Bench, steps: list[tuple[bool, list[tuple[int, str | None]]] | str]) -> None:
    """Against a dict; batches marked False end with a statement that fails."""
    databases = await bench.open()
    await with_table(databases)
    image: dict[int, str] = {}
    for step in steps:
        if isinstance(step, str):
            databases = await bench.crash(databases)
        else:
            good, batch = step
            statements: list[Statement] = [
                ("DELETE FROM t WHERE k = ?", (key,))
                if value is None
                else ("REPLACE INTO t VALUES (?, ?)", (key, value))
                for key, value in batch
            ]
            if good:
                await databases.write(GAMES, statements)
                for key, value in batch:
                    if value is None:
                        image.pop(key, None)
                    else:
                        image[key] = value
            else:
                with pytest.raises(EngineFailed):
                    await databases.write(GAMES, [*statements, ("INSERT INTO t VALUES (1, 2, 3)", ())])
        assert dict(await rows(databases, "SELECT k, v FROM t")) == image


@given(STEPS)
@settings(max_examples=60)
async def test_the_databases_in_memory_agree_with_a_dict_through_crashes(
    steps: list[tuple[bool, list[tuple[int, str | None]]] | str],
) -> None:
    bench = MemoryBench()
    await follow(bench, steps)
    await bench.aclose()


@given(STEPS)
@settings(max_examples=15, deadline=None)
async def test_the_databases_in_files_agree_with_a_dict_through_crashes(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[bool, list[tuple[int, str | None]]] | str]
) -> None:
    bench = FileBench(tmp_path_factory.mktemp("databases"))
    try:
        await follow(bench, steps)
    finally:
        await bench.aclose()


async def test_no_more_are_kept_open_than_was_said_and_nothing_is_lost_by_it(bench: Bench) -> None:
    databases = await bench.open()
    names = [DatabaseName(GAMES.package, f"db{number}") for number in range(4)]
    await databases.keep_open(2)
    for number, name in enumerate(names):
        await with_table(databases, name)
        await databases.write(name, [("INSERT INTO t VALUES (1, ?)", (number,))])
    assert databases.closings == 2
    assert [await rows(databases, "SELECT v FROM t", name=name) for name in names] == [
        [(n,)] for n in range(4)
    ]
    assert databases.closings == 6
    await databases.keep_open(4)
    for name in (*names, *names):
        await rows(databases, "SELECT v FROM t", name=name)
    await databases.keep_open(1)
    assert databases.closings == 6
    assert await rows(databases, "SELECT v FROM t", name=names[3]) == [(3,)]
    assert databases.closings == 6
    await bench.aclose()
