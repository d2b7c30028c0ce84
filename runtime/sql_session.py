"""One connection to one SQLite database of a package. Blocking; one thread at a time."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from runtime.sql_guard import Guard
from sys_processes.devices import EngineFailed, SqlRow, Statement

T = TypeVar("T")

MOST_ROW_BYTES = 32 << 20
"""Of the rows of one answer."""
LONGEST_VALUE = 32 << 20
LONGEST_STATEMENT = 1 << 20
MOST_PAGES = 16 << 20
"""64 GiB of pages of 4 KiB."""
STEPS_BETWEEN_LOOKS = 10_000
"""Of SQLite's machine; so often the time limit is looked at."""

Expired = Callable[[], bool]

_SQL_ERRORS = (sqlite3.Error, sqlite3.Warning, OverflowError)
_VACUUM = re.compile(r"\s*vacuum\b", re.IGNORECASE)
_BEGIN = "BEGIN IMMEDIATE"

_LIMITS = {
    sqlite3.SQLITE_LIMIT_LENGTH: LONGEST_VALUE,
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: LONGEST_STATEMENT,
    sqlite3.SQLITE_LIMIT_ATTACHED: 1,  # which VACUUM needs
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 1000,
    sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH: 100,
    sqlite3.SQLITE_LIMIT_WORKER_THREADS: 0,
}

_OF_DISK = frozenset(
    {
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_NOLFS,
    }
)


def _never() -> bool:
    return False


class SqlSession:
    """Closes the connection when it cannot be set up.

    `limit` makes, for each run, what says that its time is up. Raises `EngineFailed`, about `what`.
    """

    def __init__(
        self,
        what: object,
        connection: sqlite3.Connection,
        limit: Callable[[], Expired],
        *,
        settings: Sequence[str],
    ) -> None:
        self._what = what
        self._limit = limit
        self._guard = Guard()
        self._expired: Expired = _never
        self.connection = connection
        try:
            for kind, most in _LIMITS.items():
                connection.setlimit(kind, most)
            connection.set_authorizer(self._guard.allows)
            connection.set_progress_handler(self._is_over, STEPS_BETWEEN_LOOKS)
            for setting in settings:
                self.set(setting)
        except BaseException:
            connection.close()
            raise

    def _is_over(self) -> bool:
        return self._expired()

    def close(self) -> None:
        self.connection.close()

    def set(self, setting: str) -> None:
        """One of SQLite's PRAGMAs, `name = value`."""
        with self._told(), self._ours():
            # Not by `execute`, here and below: it caches what was prepared by its text, past the guard.
            self.connection.executescript(f"PRAGMA {setting}").close()

    def query(self, statement: Statement, form: Callable[[Sequence[str], Sequence[SqlRow]], T]) -> T:
        self._guard.refused = None
        self._expired = self._limit()
        try:
            cursor = self.connection.execute(*statement)
            try:
                columns = [column[0] for column in cursor.description or ()]
                rows = self._fetched(cursor)
            finally:
                cursor.close()
        except _SQL_ERRORS as error:
            raise self._failure(error) from error
        finally:
            self._expired = _never
        return form(columns, rows)

    def write(self, statements: Sequence[Statement]) -> None:
        with self._told(), self._limited():
            if len(statements) == 1 and _VACUUM.match(statements[0][0]):
                self._vacuum(statements[0])
                return
            with self._transaction():
                for statement in statements:
                    self.connection.execute(*statement).close()

    def _vacuum(self, statement: Statement) -> None:
        """It is the one statement that cannot stand in a transaction, and is one by itself."""
        self._guard.vacuuming = True
        try:
            self.connection.execute(*statement).close()
        finally:
            self._guard.vacuuming = False

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._ours():
            self.connection.executescript(_BEGIN).close()
        try:
            yield
            with self._ours():
                self.connection.commit()
        except BaseException:
            with self._ours():
                self.connection.rollback()
            raise

    @contextmanager
    def _ours(self) -> Iterator[None]:
        self._guard.ours = True
        try:
            yield
        finally:
            self._guard.ours = False

    @contextmanager
    def _limited(self) -> Iterator[None]:
        self._expired = self._limit()
        try:
            yield
        finally:
            self._expired = _never

    def _fetched(self, cursor: sqlite3.Cursor) -> list[SqlRow]:
        rows: list[SqlRow] = []
        size = 0
        row: SqlRow
        for row in cursor:
            rows.append(row)
            size += sum(len(value) if isinstance(value, str | bytes) else 8 for value in row)
            if size > MOST_ROW_BYTES:
                raise EngineFailed(
                    f"{self._what}: the rows are more than {MOST_ROW_BYTES} bytes; ask for fewer with LIMIT"
                )
        return rows

    @contextmanager
    def _told(self) -> Iterator[None]:
        self._guard.refused = None
        try:
            yield
        except _SQL_ERRORS as error:
            raise self._failure(error) from error

    def _failure(self, error: Exception) -> EngineFailed:
        code = (
            getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        )  # the upper bits only refine it
        text = str(error)
        if code == sqlite3.SQLITE_AUTH and self._guard.refused is not None:
            text = self._guard.refused
        elif code == sqlite3.SQLITE_INTERRUPT:
            text = "the statement took too long and was stopped; an index may help, or smaller steps"
        elif code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
            text = f"{text}: the database is damaged; put back a copy, or remove it and begin anew"
        return EngineFailed(f"{self._what}: {text}", of_disk=code in _OF_DISK)
