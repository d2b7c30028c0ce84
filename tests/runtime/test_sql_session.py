from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence

import pytest

from runtime.sql_session import SqlSession
from sys_processes.devices import EngineFailed, SqlRow


@pytest.fixture
def session() -> Iterator[SqlSession]:
    made = opened()
    yield made
    made.close()


def opened(*, looks: int = 1000, settings: Sequence[str] = ()) -> SqlSession:
    def limit():
        left = iter(range(looks))
        return lambda: next(left, None) is None

    connection = sqlite3.connect(":memory:", isolation_level=None)
    return SqlSession("games", connection, limit, settings=settings)


def rows(session: SqlSession, query: str) -> list[SqlRow]:
    return session.query((query, ()), lambda _, found: list(found))


def test_settings_are_made_before_anything_else() -> None:
    session = opened(settings=["foreign_keys = ON", "user_version = 7"])
    assert rows(session, "PRAGMA user_version") == [(7,)]
    session.close()


def test_a_connection_that_cannot_be_set_up_is_closed() -> None:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    with pytest.raises(EngineFailed, match="games: near"):
        SqlSession("games", connection, lambda: lambda: False, settings=["= nonsense"])
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        connection.execute("SELECT 1")


def test_our_own_statements_are_no_way_past_the_guard(session: SqlSession) -> None:
    """C-157: SQLite's driver remembers statements by their text, and asks the guard only for new ones."""
    session.write([("CREATE TABLE t (k)", ())])
    session.set("user_version = 3")
    for text in ("BEGIN IMMEDIATE", "COMMIT", "ROLLBACK", "PRAGMA user_version = 3"):
        for call in (lambda t=text: rows(session, t), lambda t=text: session.write([(t, ())])):
            with pytest.raises(EngineFailed, match=r"not for statements|not a package's business"):
                call()
    assert not session.connection.in_transaction


def test_a_failed_batch_leaves_no_transaction_open(session: SqlSession) -> None:
    session.write([("CREATE TABLE t (k UNIQUE)", ())])
    with pytest.raises(EngineFailed, match="UNIQUE"):
        session.write([("INSERT INTO t VALUES (1)", ()), ("INSERT INTO t VALUES (1)", ())])
    assert not session.connection.in_transaction
    assert rows(session, "SELECT * FROM t") == []


def test_what_makes_the_form_fail_is_raised_as_it_is(session: SqlSession) -> None:
    def fails(columns: Sequence[str], found: Sequence[SqlRow]) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        session.query(("SELECT 1", ()), fails)
    assert rows(session, "SELECT 1") == [(1,)]


def test_a_limit_holds_for_one_statement_and_the_next_has_its_own() -> None:
    session = opened(looks=2)
    endless = "WITH RECURSIVE n(x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"
    for _ in range(2):
        with pytest.raises(EngineFailed, match="took too long"):
            rows(session, endless)
        assert rows(session, "SELECT 1") == [(1,)]
    session.close()


def test_text_that_is_no_unicode_is_an_error(session: SqlSession) -> None:
    with pytest.raises(EngineFailed, match="UTF-8"):
        rows(session, "SELECT CAST(x'ff' AS TEXT)")
    assert rows(session, "SELECT x'ff'") == [(b"\xff",)]
