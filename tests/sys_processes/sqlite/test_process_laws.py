"""sqlite against a dict, with crashes between any two steps and in the midst of them."""

from __future__ import annotations

import attrs
from hypothesis import given, settings

from kernel.jsontext import JsonValue, dump, parse
from kernel.ports import Init
from runtime.sim.chance import SeededChance
from runtime.sim.databases import MemoryDatabases
from runtime.sim.workers import Pause
from sys_processes.sqlite import process as sqlite
from tests.support.database_calls import Calls
from tests.support.database_laws import STEPS, Held, Run, Step, Subject

call = Calls("sqlite")


@attrs.define
class Databases(Held):
    databases: MemoryDatabases

    def module(self) -> Init:
        return sqlite.make(self.databases)

    def crash(self) -> Databases:
        return Databases(self.databases.crash())


class Sqlite(Subject):
    name = "sqlite"

    def held(self, pause: Pause) -> Databases:
        return Databases(MemoryDatabases(SeededChance(1), lambda: 0.0, pause))

    def change(self, key: int, value: int | None, tx_id: int | None) -> tuple[JsonValue, bytes | None]:
        if value is None:
            return {"Write": {"statement": "DELETE FROM t WHERE k = ?", "tx_id": tx_id}}, dump([key])
        return {"Write": {"statement": "REPLACE INTO t VALUES (?, ?)", "tx_id": tx_id}}, dump([key, value])

    async def look(self) -> dict[int, int]:
        answer = await call.message({"Query": "SELECT k, v FROM t"})
        payload = answer.payload()
        if payload is None:
            assert b"no such table" in answer.ipc
            return {}
        rows = parse(payload.bytes)
        assert isinstance(rows, list)
        return {row["k"]: row["v"] for row in rows}

    async def prepare(self) -> None:
        answer = await call(
            {"Write": {"statement": "CREATE TABLE IF NOT EXISTS t (k INTEGER PRIMARY KEY, v)"}}
        )
        assert answer == "Ok"


@given(STEPS)
@settings(max_examples=80, deadline=None)
async def test_nothing_acknowledged_is_lost_and_nothing_else_is_there(steps: list[Step]) -> None:
    await Run(Sqlite(), steps).follow()
