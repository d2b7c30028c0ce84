"""What `sqlite:sys:nectar` is asked and answers (PROTOCOL 7.5). Parameters and rows travel as payload, in JSON."""

from __future__ import annotations

import attrs

from kernel.address import PackageId, ProcessId
from kernel.codec import U64, Err, Shape, newtype, struct, unit
from kernel.jsontext import dump
from sys_processes._database_hotpath import envelope_text, read_envelope
from sys_processes._database_words import (
    AddCapFailed,
    Backup,
    BeganTx,
    BeginTx,
    Commit,
    CommonEarlyError,
    DiskError,
    MalformedRequest,
    MismatchingPackageId,
    New,
    NoDb,
    NoReadCap,
    NoTx,
    NoWriteCap,
    Ok,
    Open,
    RemoveDb,
)

__all__ = [
    "EARLY_FAILURE",
    "MIME",
    "SQLITE",
    "SQLITE_REQUEST",
    "SQLITE_RESPONSE",
    "AddCapFailed",
    "Backup",
    "BeganTx",
    "BeginTx",
    "Commit",
    "DiskError",
    "EarlyFailure",
    "EarlySqlError",
    "EarlySqliteError",
    "InvalidParameters",
    "MalformedRequest",
    "MismatchingPackageId",
    "New",
    "NoDb",
    "NoReadCap",
    "NoTx",
    "NoWriteCap",
    "NotAReadKeyword",
    "NotAWriteKeyword",
    "Ok",
    "Open",
    "Query",
    "Read",
    "RemoveDb",
    "Rows",
    "SqlError",
    "SqliteAction",
    "SqliteError",
    "SqliteRequest",
    "SqliteResponse",
    "Write",
]

SQLITE = ProcessId("sqlite", "sys", "nectar")
MIME = "application/json"
"""Of rows and parameters."""


@struct
@attrs.frozen
class Write:
    """With `tx_id` it happens at the Commit."""

    statement: str
    tx_id: U64 | None = None


@newtype
@attrs.frozen
class Query:
    statement: str


@struct
@attrs.frozen
class Read:
    """`Query` in E1 and E2."""

    query: str


SqliteAction = Open | New | RemoveDb | Write | Query | Read | BeginTx | Commit | Backup


@attrs.frozen
class SqliteRequest:
    package_id: PackageId
    db: str
    action: SqliteAction


def _decode_request(raw: bytes) -> SqliteRequest | None:
    """`Query`."""
    envelope = read_envelope(raw)
    if envelope is None:
        return None
    package, db, action = envelope
    if not isinstance(action, dict) or len(action) != 1:
        return None
    query = action.get("Query")
    return SqliteRequest(package, db, Query(query)) if isinstance(query, str) else None


def _encode_request(request: SqliteRequest) -> bytes | None:
    if not isinstance(request.action, Query):
        return None
    return b'%b{"Query":%b}}' % (
        envelope_text(request.package_id, request.db),
        dump(request.action.statement),
    )


SQLITE_REQUEST: Shape[SqliteRequest] = Shape(
    SqliteRequest, fast_encode=_encode_request, fast_decode=_decode_request
)


@unit("Read")
@attrs.frozen
class Rows:
    """They are in the payload: a JSON array of objects."""


@unit
@attrs.frozen
class NotAWriteKeyword:
    pass


@unit
@attrs.frozen
class NotAReadKeyword:
    pass


@unit
@attrs.frozen
class InvalidParameters:
    pass


@newtype("RusqliteError")
@attrs.frozen
class SqlError:
    """SQLite refused the statement, or the database is at fault: damaged, say."""

    error: str


SqliteError = (
    NoDb
    | NoTx
    | NoWriteCap
    | NoReadCap
    | MismatchingPackageId
    | AddCapFailed
    | MalformedRequest
    | NotAWriteKeyword
    | NotAReadKeyword
    | InvalidParameters
    | SqlError
    | DiskError
)
SqliteResponse = Ok | Rows | BeganTx | Err[SqliteError]
SQLITE_RESPONSE: Shape[SqliteResponse] = Shape(SqliteResponse)


@struct("RusqliteError")
@attrs.frozen
class EarlySqlError:
    error: str


EarlySqliteError = CommonEarlyError | NotAWriteKeyword | NotAReadKeyword | InvalidParameters | EarlySqlError


@attrs.frozen
class EarlyFailure:
    """How E1 and E2 wrap an error."""

    error: EarlySqliteError


EARLY_FAILURE: Shape[Err[EarlyFailure]] = Shape(Err[EarlyFailure])
