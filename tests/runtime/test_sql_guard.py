from __future__ import annotations

import sqlite3

import pytest

from runtime.sql_guard import Guard

ALLOWED, DENIED = sqlite3.SQLITE_OK, sqlite3.SQLITE_DENY


def asked(guard: Guard, action: int, first: str | None = None, second: str | None = None) -> int:
    return guard.allows(action, first, second, "main", None)


@pytest.mark.parametrize(
    ("action", "first", "second", "why"),
    [
        (sqlite3.SQLITE_ATTACH, "/etc/x", None, "ATTACH leads out of the database"),
        (sqlite3.SQLITE_ATTACH, "", None, "ATTACH leads out of the database"),
        (sqlite3.SQLITE_DETACH, "main", None, "DETACH leads out of the database"),
        (
            sqlite3.SQLITE_TRANSACTION,
            "BEGIN",
            None,
            "BEGIN is not for statements: transactions are made with BeginTx",
        ),
        (sqlite3.SQLITE_FUNCTION, None, "load_extension", "the function load_extension leads out"),
        (sqlite3.SQLITE_PRAGMA, "journal_mode", "DELETE", "PRAGMA journal_mode = DELETE changes or shows"),
        (sqlite3.SQLITE_PRAGMA, "user_version", "5", "PRAGMA user_version = 5"),
        (sqlite3.SQLITE_PRAGMA, "database_list", None, "PRAGMA database_list"),
        (sqlite3.SQLITE_PRAGMA, "table_info", None, "PRAGMA table_info"),
        (sqlite3.SQLITE_CREATE_VTABLE, "v", "csv", "a virtual table of 'csv'"),
        (sqlite3.SQLITE_UPDATE, "sqlite_dbpage", "data", "sqlite_dbpage is not for packages"),
        (sqlite3.SQLITE_READ, "SQLITE_DBPAGE", "data", "SQLITE_DBPAGE is not for packages"),
        (sqlite3.SQLITE_CREATE_TEMP_TABLE, "t", None, "a temporary table would not be there"),
        (9999, None, None, "action 9999 of SQLite is not for packages"),
    ],
)
def test_what_leads_out_is_denied_and_the_reason_kept(
    action: int, first: str | None, second: str | None, why: str
) -> None:
    """C-157."""
    guard = Guard()
    assert asked(guard, action, first, second) == DENIED
    assert guard.refused is not None
    assert guard.refused.startswith(why) or why in guard.refused


@pytest.mark.parametrize(
    ("action", "first", "second"),
    [
        (sqlite3.SQLITE_SELECT, None, None),
        (sqlite3.SQLITE_READ, "t", "k"),
        (sqlite3.SQLITE_INSERT, "t", None),
        (sqlite3.SQLITE_SAVEPOINT, "BEGIN", "s"),
        (sqlite3.SQLITE_FUNCTION, None, "count"),
        (sqlite3.SQLITE_PRAGMA, "Table_Info", "t"),
        (sqlite3.SQLITE_PRAGMA, "user_version", None),
        (sqlite3.SQLITE_CREATE_VTABLE, "f", "FTS5"),
    ],
)
def test_what_stays_within_is_allowed(action: int, first: str | None, second: str | None) -> None:
    guard = Guard()
    assert asked(guard, action, first, second) == ALLOWED
    assert guard.refused is None


def test_a_vacuum_may_attach_what_has_no_name_and_nothing_else() -> None:
    guard = Guard()
    guard.vacuuming = True
    assert asked(guard, sqlite3.SQLITE_ATTACH, "") == ALLOWED
    assert asked(guard, sqlite3.SQLITE_TRANSACTION, "BEGIN") == ALLOWED
    assert asked(guard, sqlite3.SQLITE_ATTACH, "/tmp/copy") == DENIED


def test_our_own_statements_may_all() -> None:
    guard = Guard()
    guard.ours = True
    assert asked(guard, sqlite3.SQLITE_PRAGMA, "journal_mode", "WAL") == ALLOWED
    assert asked(guard, sqlite3.SQLITE_TRANSACTION, "COMMIT") == ALLOWED
