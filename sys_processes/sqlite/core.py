"""What a request of sqlite needs, its parameters and rows, and the era whose words answer it (PROTOCOL 7.5)."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence

from kernel.jsontext import JsonValue, NotJson, dump, parse
from kernel.message import Payload
from sys_processes._database_words import in_early_words
from sys_processes.sqlite.protocol import (
    Backup,
    BeginTx,
    Commit,
    EarlyFailure,
    EarlySqlError,
    EarlySqliteError,
    InvalidParameters,
    New,
    NoReadCap,
    NotAReadKeyword,
    NotAWriteKeyword,
    NoWriteCap,
    Open,
    Query,
    Read,
    RemoveDb,
    SqlError,
    SqliteAction,
    SqliteError,
    Write,
)

Value = int | float | str | bytes | None

READ_WORDS = frozenset({"ANALYZE", "ATTACH", "BEGIN", "EXPLAIN", "PRAGMA", "SELECT", "VALUES", "WITH"})
WRITE_WORDS = frozenset(
    {
        *("ALTER", "ANALYZE", "COMMIT", "CREATE", "DELETE", "DETACH", "DROP", "END", "INSERT", "REINDEX"),
        *("RELEASE", "RENAME", "REPLACE", "ROLLBACK", "SAVEPOINT", "UPDATE", "VACUUM"),
    }
)
_FIRST_WORD = re.compile(r"\s*([A-Za-z]+)")
_LARGEST = 1 << 63


class BadParameters(ValueError):
    """No parameters of a statement."""


def is_early(action: SqliteAction) -> bool:
    """Whether only E1 and E2 spell it so."""
    return isinstance(action, New | Backup | Read)


def statement_of(action: Query | Read | Write) -> str:
    return action.query if isinstance(action, Read) else action.statement


_RIGHTS: dict[type[SqliteAction], str | None] = {
    Query: "read",
    Read: "read",
    Backup: "read",
    Write: "write",
    BeginTx: "write",
    Commit: "write",
    Open: None,
    New: None,
    RemoveDb: None,
}


def kind_of_right(action: SqliteAction) -> str | None:
    """The capability that it takes; None for what only the owning package may do."""
    return _RIGHTS[type(action)]


def missing(kind: str) -> SqliteError:
    return NoReadCap() if kind == "read" else NoWriteCap()


def wrong_door(action: SqliteAction) -> SqliteError | None:
    """A statement's first word decides which door it takes."""
    if not isinstance(action, Query | Read | Write):
        return None
    found = _FIRST_WORD.match(statement_of(action))
    word = found[1].upper() if found else ""
    if isinstance(action, Write):
        return None if word in WRITE_WORDS else NotAWriteKeyword()
    return None if word in READ_WORDS else NotAReadKeyword()


def parameters(payload: Payload | None) -> list[Value]:
    """Text is text, whatever it looks like (F-88); bytes are written `{"base64": ".."}`. Raises `BadParameters`."""
    if payload is None or not payload.bytes:
        return []
    try:
        given = parse(payload.bytes)
    except NotJson as error:
        raise BadParameters(f"not JSON: {error}") from None
    if not isinstance(given, list):
        raise BadParameters("expected an array")
    return [_value(one) for one in given]


def _value(given: JsonValue) -> Value:
    match given:
        case bool():
            return int(given)
        case int():
            if not -_LARGEST <= given < _LARGEST:
                raise BadParameters(f"{given} has more than 64 bits")
            return given
        case float() | str() | None:
            return given
        case {"base64": str(text), **rest} if not rest:
            try:
                return base64.b64decode(text, validate=True)
            except binascii.Error as error:
                raise BadParameters(f"bytes that are not base64: {error}") from None
    raise BadParameters('expected a number, text, a boolean, null, or bytes as {"base64": ".."}')


def rows_as_json(columns: Sequence[str], rows: Sequence[tuple[Value, ...]]) -> bytes:
    """An array of objects; blobs as base64 text. Of columns with one name the last counts."""
    return dump([dict(zip(columns, map(_shown, row), strict=True)) for row in rows])


def _shown(value: Value) -> JsonValue:
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


def size_of(statement: str, given: Sequence[Value]) -> int:
    """Bytes, roughly, that it takes to keep it."""
    return len(statement) + sum(len(one) if isinstance(one, str | bytes) else 8 for one in given)


def early_failure(error: SqliteError) -> EarlyFailure:
    words: EarlySqliteError
    match error:
        case NotAReadKeyword() | NotAWriteKeyword() | InvalidParameters():
            words = error
        case SqlError(text):
            words = EarlySqlError(text)
        case _:
            words = in_early_words(error)
    return EarlyFailure(words)
