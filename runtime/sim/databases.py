"""SQL databases in memory, with crashes (DESIGN section 1)."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TypeVar

import trio

from kernel.ports import Chance
from runtime.databases import COMMON
from runtime.sim.database_disk import DatabaseDisk
from runtime.sim.workers import Pause
from runtime.sql_session import MOST_PAGES, Expired, SqlSession
from sys_processes.devices import DatabaseName, SqlRow, SqlValue, Statement

T = TypeVar("T")

STATEMENT_LOOKS = 2000
"""How often a statement is looked at before it is stopped: its time limit, in steps that are the same everywhere."""

_CLOCKED = ("date", "time", "datetime", "julianday", "unixepoch", "strftime")
_OF_THE_MACHINE = frozenset({"localtime", "utc"})


def _looks() -> Expired:
    left = STATEMENT_LOOKS

    def expired() -> bool:
        nonlocal left
        left -= 1
        return left < 0

    return expired


class MemoryDatabases(DatabaseDisk[bytes]):
    """`sys_processes.devices.Databases` of a simulated node.

    Each is a SQLite database in memory, whose durable image is taken at each commit. SQL's chance and time are the
    node's own: `random()`, `CURRENT_TIMESTAMP`, `'now'`; its local time is UTC.
    """

    def __init__(
        self, chance: Chance, wall_clock: Callable[[], float], pause: Pause = trio.lowlevel.checkpoint
    ) -> None:
        super().__init__(pause)
        self._chance = chance
        self._wall_clock = wall_clock
        self._sessions: dict[DatabaseName, SqlSession] = {}
        self._clock = sqlite3.connect(":memory:")

    def crash(self) -> MemoryDatabases:
        """The databases as the next boot finds them. Calls to these ones raise `EngineFailed` from now on."""
        found = MemoryDatabases(self._chance, self._wall_clock, self.pause)
        found._lies_on(self)
        found._kept = dict(self._kept)
        self.close()
        return found

    def close(self) -> None:
        """All of them, for good."""
        self._crashed = True
        for session in self._sessions.values():
            session.close()
        self._sessions.clear()
        self._clock.close()

    async def make(self, name: DatabaseName) -> None:
        await self._make(name, b"")

    async def query(
        self, name: DatabaseName, statement: Statement, form: Callable[[Sequence[str], Sequence[SqlRow]], T]
    ) -> T:
        await self._reach(name)
        session = self._session(name)
        session.set("query_only = ON")
        try:
            return session.query(statement, form)
        finally:
            session.set("query_only = OFF")

    async def write(self, name: DatabaseName, statements: Sequence[Statement]) -> None:
        await self._reach(name)
        session = self._session(name)
        self._check_room(name)
        session.write(statements)
        self._kept[name] = session.connection.serialize()
        await self._done(name)

    # -- sessions

    def _session(self, name: DatabaseName) -> SqlSession:
        image = self._used(name)
        if name not in self._sessions:
            self._sessions[name] = self._opened(name, image)
        return self._sessions[name]

    def _close_one(self, name: DatabaseName) -> None:
        """What was committed is in its image."""
        session = self._sessions.pop(name, None)
        if session is not None:
            session.close()

    def _opened(self, name: DatabaseName, image: bytes) -> SqlSession:
        connection = sqlite3.connect(":memory:", isolation_level=None)
        if image:
            connection.deserialize(image)
        self._give_chance_and_time(connection)
        return SqlSession(name, connection, _looks, settings=(*COMMON, f"max_page_count = {MOST_PAGES}"))

    def _give_chance_and_time(self, connection: sqlite3.Connection) -> None:
        connection.create_function("random", 0, self._random)
        connection.create_function("randomblob", 1, self._randomblob)
        for name in _CLOCKED:
            connection.create_function(name, -1, self._clocked(name), deterministic=True)
        for name in ("date", "time", "timestamp"):
            own = self._clocked("datetime" if name == "timestamp" else name)
            connection.create_function(f"current_{name}", 0, own, deterministic=True)

    def _random(self) -> int:
        return self._chance.bits("sqlite random", 64) - (1 << 63)

    def _randomblob(self, size: SqlValue) -> bytes:
        return self._chance.secret("sqlite randomblob", max(1, size if isinstance(size, int) else 1))

    def _clocked(self, name: str) -> Callable[..., SqlValue]:
        """SQLite's own function of that name, with the node's time for "now"."""
        first = 1 if name == "strftime" else 0

        def call(*given: SqlValue) -> SqlValue:
            args = [arg for arg in given if not (isinstance(arg, str) and arg.lower() in _OF_THE_MACHINE)]
            if len(args) == first:
                args.append("now")
            if str(args[first]).lower() == "now":
                args[first] = datetime.fromtimestamp(self._wall_clock(), UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
            marks = ", ".join("?" * len(args))
            found: SqlValue = self._clock.execute(f"SELECT {name}({marks})", args).fetchone()[0]
            return found

        return call
