"""SQL databases (PROTOCOL 5.7, 7.5): `db = await sqlite.open(our.package_id, "games")`.

What is written is durable when the call returns. Databases belong to packages; a process of another one needs the
capabilities of `{"process": "sqlite:sys:nectar", "params": {"kind": "read", "db_key": [.., "games"]}}`.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import TypeAlias, cast

import attrs

from kernel.address import PackageId
from kernel.codec import Err, Malformed
from kernel.jsontext import JsonValue, NotJson, dump, parse
from kernel.message import Message
from sys_processes.sqlite.protocol import (
    SQLITE,
    SQLITE_REQUEST,
    SQLITE_RESPONSE,
    AddCapFailed,
    BeganTx,
    BeginTx,
    Commit,
    DiskError,
    InvalidParameters,
    MalformedRequest,
    MismatchingPackageId,
    NoDb,
    NoReadCap,
    NotAReadKeyword,
    NotAWriteKeyword,
    NoTx,
    NoWriteCap,
    Ok,
    Open,
    Query,
    RemoveDb,
    Rows,
    SqlError,
    SqliteAction,
    SqliteRequest,
    SqliteResponse,
    Write,
)
from sys_processes.sqlite.protocol import SqliteError as Refusal
from userland.process_lib._database_calls import SECONDS, ask, to_package_id

__all__ = [
    "AddCapFailed",
    "DiskError",
    "InvalidParameters",
    "MalformedRequest",
    "MismatchingPackageId",
    "NoDb",
    "NoReadCap",
    "NoTx",
    "NoWriteCap",
    "NotAReadKeyword",
    "NotAWriteKeyword",
    "SqlError",
    "Sqlite",
    "SqliteError",
    "open",
    "remove_db",
]

Value: TypeAlias = bool | int | float | str | bytes | None
Row: TypeAlias = dict[str, JsonValue]
Problem: TypeAlias = Refusal | Malformed | NotJson | str


class SqliteError(Exception):
    """sqlite refused. `.error` is its answer: `SqlError("no such table: t")`, `NoTx(4)`, `NoReadCap()` and so on.

    `Malformed` or `NotJson` when the answer could not be read, text when it was of another kind.
    """

    def __init__(self, asked: str, error: Problem) -> None:
        super().__init__(f"{asked}: {error}")
        self.error = error


@attrs.frozen
class Sqlite:
    """A database that was opened. `timeout`: the whole seconds that each call waits at most.

    Parameters stand for `?` or `?1` in a statement. Every call raises `SqliteError`, `SendError`, and TypeError for
    parameters of other types.
    """

    package_id: PackageId
    db: str
    timeout: int = SECONDS

    async def read(self, query: str, params: Sequence[Value] = ()) -> list[Row]:
        """The rows, each a dict by column. A blob comes as base64 text. Committed data only."""
        message, answer = await _ask(self, Query(query), params)
        payload = message.payload()
        if not isinstance(answer, Rows) or payload is None:
            raise SqliteError(f"Query in {self.db}", f"the answer is {answer!r}")
        try:
            return cast(list[Row], parse(payload.bytes))
        except NotJson as problem:
            raise SqliteError(f"Query in {self.db}: the rows are unreadable", problem) from None

    async def write(self, statement: str, params: Sequence[Value] = (), tx_id: int | None = None) -> None:
        """With `tx_id` it happens at that transaction's commit, which then says what is wrong with it."""
        await self._done(Write(statement, tx_id), params)

    async def begin_tx(self) -> int:
        """The number of a new transaction, ours alone. It is dropped when nothing is added to it for 5 minutes, and
        when we end.
        """
        _, answer = await _ask(self, BeginTx())
        if isinstance(answer, BeganTx):
            return answer.tx_id
        raise SqliteError(f"BeginTx in {self.db}", f"the answer is {answer!r}")

    async def commit_tx(self, tx_id: int) -> None:
        """All that was added happens, in order, whole or not at all."""
        await self._done(Commit(tx_id))

    async def _done(self, action: SqliteAction, params: Sequence[Value] = ()) -> None:
        _, answer = await _ask(self, action, params)
        if not isinstance(answer, Ok):
            raise SqliteError(f"{type(action).__name__} in {self.db}", f"the answer is {answer!r}")


def _parameter(value: Value) -> JsonValue:
    if isinstance(value, bytes):
        return {"base64": base64.b64encode(value).decode()}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"a parameter is a number, text, bytes, a bool or None, got {type(value).__name__}")


async def _ask(
    database: Sqlite, action: SqliteAction, params: Sequence[Value] = ()
) -> tuple[Message, SqliteResponse]:
    if isinstance(params, str | bytes) or not isinstance(params, Sequence):
        raise TypeError(f"parameters are a list, got {type(params).__name__}; write [value]")
    ipc = SQLITE_REQUEST.encode(SqliteRequest(database.package_id, database.db, action))
    value = dump([_parameter(each) for each in params]) if params else None
    message = await ask(SQLITE, ipc, value, database.timeout)
    asked = f"{type(action).__name__} in {database.db} of {database.package_id}"
    try:
        answer = SQLITE_RESPONSE.decode(message.ipc)
    except Malformed as problem:
        raise SqliteError(f"{asked}: the answer is unreadable", problem) from None
    if isinstance(answer, Err):
        raise SqliteError(f"{asked} was refused", answer.error)
    return message, answer


async def open(package_id: PackageId | str, db: str, timeout: int = SECONDS) -> Sqlite:  # noqa: A001 - the reference's name
    """The database, made if there is none; we get the rights to read and write it. Our own package's only.

    Raises `SqliteError`, `SendError`; one of another package is used by `Sqlite(package_id, db)`.
    """
    database = Sqlite(to_package_id(package_id), db, timeout)
    await database._done(Open())  # noqa: SLF001 - its other half
    return database


async def remove_db(package_id: PackageId | str, db: str, timeout: int = SECONDS) -> None:
    """With all that is in it. Raises as `open`."""
    await Sqlite(to_package_id(package_id), db, timeout)._done(RemoveDb())  # noqa: SLF001 - its other half
