"""kv and sqlite as a tested process meets them: in memory, of its own package, without limits."""

from __future__ import annotations

import base64
import sqlite3
from contextlib import closing

from kernel.address import PackageId
from kernel.codec import Err
from kernel.jsontext import dump, parse
from kernel.message import Message, Payload
from sys_processes.kv.protocol import (
    KV_REQUEST,
    KV_RESPONSE,
    BeganTx,
    BeginTx,
    Commit,
    Delete,
    Get,
    KeyNotFound,
    KvAction,
    MismatchingPackageId,
    NoDb,
    NoReadCap,
    NoTx,
    NoWriteCap,
    Ok,
    Open,
    RemoveDb,
    Set,
)
from sys_processes.sqlite.protocol import (
    MIME,
    SQLITE_REQUEST,
    SQLITE_RESPONSE,
    Query,
    Rows,
    SqlError,
    SqliteAction,
    SqliteResponse,
    Write,
)
from userland.process_lib._builders import Response

_OK = KV_RESPONSE.encode(Ok())


class Keys:
    """Databases of keys and values."""

    def __init__(self, package: PackageId) -> None:
        self._package = package
        self._kept: dict[str, dict[bytes, bytes]] = {}
        self._opened: dict[str, None] = {}
        self._open: dict[int, tuple[str, dict[bytes, bytes | None]]] = {}
        self._begun = 0

    def answer(self, message: Message) -> bytes | Response | None:
        request = KV_REQUEST.decode(message.ipc)
        db, action = request.db, request.action
        if request.package_id != self._package:
            return KV_RESPONSE.encode(Err(MismatchingPackageId()))
        if isinstance(action, Open):
            self._kept.setdefault(db, {})
            self._opened[db] = None
            return _OK
        if db not in self._opened and not isinstance(action, RemoveDb):
            lacks = NoReadCap() if isinstance(action, Get) else NoWriteCap()
            return KV_RESPONSE.encode(Err(lacks))
        if db not in self._kept:
            return KV_RESPONSE.encode(Err(NoDb(self._package, db)))
        return self._do(db, action, (message.payload() or Payload()).bytes)

    def _do(self, db: str, action: KvAction, value: bytes) -> bytes | Response | None:
        match action:
            case Get(bytes() as key):
                if key not in self._kept[db]:
                    return KV_RESPONSE.encode(Err(KeyNotFound()))
                return Response().ipc(KV_RESPONSE.encode(action)).payload(Payload(None, self._kept[db][key]))
            case Set(key, tx_id):
                return self._change(db, tx_id, {key: value})
            case Delete(key, tx_id):
                return self._change(db, tx_id, {key: None})
            case BeginTx():
                self._begun += 1
                self._open[self._begun] = (db, {})
                return KV_RESPONSE.encode(BeganTx(self._begun))
            case Commit(tx_id):
                found = self._open.pop(tx_id, None)
                return (
                    KV_RESPONSE.encode(Err(NoTx(tx_id)))
                    if found is None
                    else self._change(db, None, found[1])
                )
            case RemoveDb():
                del self._kept[db]
                self._open = {number: held for number, held in self._open.items() if held[0] != db}
                return _OK
        return None

    def _change(self, db: str, tx_id: int | None, changes: dict[bytes, bytes | None]) -> bytes:
        if tx_id is not None:
            if self._open.get(tx_id, ("", {}))[0] != db:
                return KV_RESPONSE.encode(Err(NoTx(tx_id)))
            self._open[tx_id][1].update(changes)
            return _OK
        for key, value in changes.items():
            if value is None:
                self._kept[db].pop(key, None)
            else:
                self._kept[db][key] = value
        return _OK


_Statement = tuple[str, list[object]]


class Tables:
    """SQL databases. A statement is run as it is; only a node checks what it may do."""

    def __init__(self, package: PackageId) -> None:
        self._package = package
        self._kept: dict[str, bytes] = {}
        self._opened: dict[str, None] = {}
        self._open: dict[int, tuple[str, list[_Statement]]] = {}
        self._begun = 0

    def answer(self, message: Message) -> bytes | Response | None:
        request = SQLITE_REQUEST.decode(message.ipc)
        db, action = request.db, request.action
        if request.package_id != self._package:
            return SQLITE_RESPONSE.encode(Err(MismatchingPackageId()))
        if isinstance(action, Open):
            self._kept.setdefault(db, b"")
            self._opened[db] = None
            return _OK
        if db not in self._opened and not isinstance(action, RemoveDb):
            lacks = NoReadCap() if isinstance(action, Query) else NoWriteCap()
            return SQLITE_RESPONSE.encode(Err(lacks))
        if db not in self._kept:
            return SQLITE_RESPONSE.encode(Err(NoDb(self._package, db)))
        try:
            return self._do(db, action, _parameters(message.payload()))
        except sqlite3.Error as error:
            return SQLITE_RESPONSE.encode(Err(SqlError(str(error))))

    def _do(self, db: str, action: SqliteAction, given: list[object]) -> bytes | Response | None:
        match action:
            case Query(statement):
                rows = dump(self._run(db, [(statement, given)], keep=False))
                return Response().ipc(SQLITE_RESPONSE.encode(Rows())).payload(Payload(MIME, rows))
            case Write(statement, None):
                self._run(db, [(statement, given)], keep=True)
            case Write(statement, int() as tx_id) if self._is_open(tx_id, db):
                self._open[tx_id][1].append((statement, given))
            case Commit(tx_id) if self._is_open(tx_id, db):
                self._run(db, self._open.pop(tx_id)[1], keep=True)
            case Write(_, int() as tx_id) | Commit(tx_id):
                return SQLITE_RESPONSE.encode(Err(NoTx(tx_id)))
            case BeginTx():
                self._begun += 1
                self._open[self._begun] = (db, [])
                began: SqliteResponse = BeganTx(self._begun)
                return SQLITE_RESPONSE.encode(began)
            case RemoveDb():
                del self._kept[db]
                self._open = {number: held for number, held in self._open.items() if held[0] != db}
            case _:
                return None
        return _OK

    def _is_open(self, tx_id: int, db: str) -> bool:
        return tx_id in self._open and self._open[tx_id][0] == db

    def _run(self, db: str, statements: list[_Statement], *, keep: bool) -> list[dict[str, object]]:
        """The rows of the last statement. What was written is kept when all went well."""
        with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
            if self._kept[db]:
                connection.deserialize(self._kept[db])
            if not keep:
                connection.execute("PRAGMA query_only = ON")
            rows: list[dict[str, object]] = []
            for statement, given in statements:
                cursor = connection.execute(statement, given)
                names = [column[0] for column in cursor.description or ()]
                rows = [dict(zip(names, map(_shown, row), strict=True)) for row in cursor]
            if keep:
                self._kept[db] = connection.serialize()
            return rows


def _parameters(payload: Payload | None) -> list[object]:
    given = parse(payload.bytes) if payload is not None else []
    assert isinstance(given, list)
    return [base64.b64decode(str(one["base64"])) if isinstance(one, dict) else one for one in given]


def _shown(value: object) -> object:
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value
