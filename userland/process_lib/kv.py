"""Databases of keys and values (PROTOCOL 5.7, 7.4): `db = await kv.open(our.package_id, "games")`.

What is set is durable when the call returns. Databases belong to packages; a process of another one needs the
capabilities of `{"process": "kv:sys:nectar", "params": {"kind": "read", "db_key": [.., "games"]}}`.
"""

from __future__ import annotations

from typing import TypeAlias

import attrs

from kernel.address import PackageId
from kernel.codec import Err, Malformed
from kernel.jsontext import JsonValue, NotJson, dump, parse
from kernel.message import Message
from sys_processes.kv.protocol import (
    KV,
    KV_REQUEST,
    KV_RESPONSE,
    AddCapFailed,
    BeganTx,
    BeginTx,
    Commit,
    Delete,
    DiskError,
    EngineError,
    Get,
    KeyNotFound,
    KvAction,
    KvRequest,
    KvResponse,
    MalformedRequest,
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
from sys_processes.kv.protocol import KvError as Refusal
from userland.process_lib._builders import Bytes
from userland.process_lib._database_calls import SECONDS, ask, to_bytes, to_package_id

__all__ = [
    "AddCapFailed",
    "DiskError",
    "EngineError",
    "KeyNotFound",
    "Kv",
    "KvError",
    "MalformedRequest",
    "MismatchingPackageId",
    "NoDb",
    "NoReadCap",
    "NoTx",
    "NoWriteCap",
    "open",
    "open_raw",
    "remove_db",
]

Problem: TypeAlias = Refusal | Malformed | NotJson | str


class KvError(Exception):
    """kv refused. `.error` is its answer: `KeyNotFound()`, `NoTx(4)`, `NoReadCap()` and so on.

    `Malformed` or `NotJson` when an answer or a value could not be read, text when the answer was of another kind.
    """

    def __init__(self, asked: str, error: Problem) -> None:
        super().__init__(f"{asked}: {error}")
        self.error = error


@attrs.frozen
class Kv:
    """A database that was opened. `timeout`: the whole seconds that each call waits at most.

    Keys and values are bytes; text is taken as UTF-8. The calls that end in `_as` write both as JSON, as the typed
    databases of later eras do. Every call raises `KvError`, `SendError`.
    """

    package_id: PackageId
    db: str
    timeout: int = SECONDS

    async def get(self, key: Bytes) -> bytes:
        """Committed data only. `KvError` with `KeyNotFound` when there is none."""
        return await self._get(to_bytes("a key", key))

    async def get_as(self, key: object) -> JsonValue:
        """TypeError for a key that JSON cannot say; `KvError` with `NotJson` for a value that is none."""
        try:
            return parse(await self._get(dump(key)))
        except NotJson as error:
            raise KvError(f"the value of {key!r} in {self.db}", error) from None

    async def set(self, key: Bytes, value: Bytes, tx_id: int | None = None) -> None:
        """With `tx_id` nobody sees it before that transaction's commit."""
        await self._set(to_bytes("a key", key), to_bytes("a value", value), tx_id)

    async def set_as(self, key: object, value: object, tx_id: int | None = None) -> None:
        """TypeError for what JSON cannot say."""
        await self._set(dump(key), dump(value), tx_id)

    async def delete(self, key: Bytes, tx_id: int | None = None) -> None:
        """No error when there is none."""
        await self._done(Delete(to_bytes("a key", key), tx_id))

    async def delete_as(self, key: object, tx_id: int | None = None) -> None:
        await self._done(Delete(dump(key), tx_id))

    get_raw = get
    set_raw = set  # noqa: A003 - the method above, and no set
    delete_raw = delete

    async def begin_tx(self) -> int:
        """The number of a new transaction, ours alone. It is dropped when nothing is added to it for 5 minutes, and
        when we end.
        """
        _, answer = await _ask(self, BeginTx())
        if isinstance(answer, BeganTx):
            return answer.tx_id
        raise KvError(f"BeginTx in {self.db}", f"the answer is {answer!r}")

    async def commit_tx(self, tx_id: int) -> None:
        """All that was added happens, in order, whole or not at all."""
        await self._done(Commit(tx_id))

    async def _get(self, key: bytes) -> bytes:
        message, answer = await _ask(self, Get(key))
        payload = message.payload()
        if isinstance(answer, Get) and payload is not None:
            return payload.bytes
        raise KvError(f"Get in {self.db}", f"the answer is {answer!r}")

    async def _set(self, key: bytes, value: bytes, tx_id: int | None) -> None:
        await self._done(Set(key, tx_id), value)

    async def _done(self, action: KvAction, value: bytes | None = None) -> None:
        _, answer = await _ask(self, action, value)
        if not isinstance(answer, Ok):
            raise KvError(f"{type(action).__name__} in {self.db}", f"the answer is {answer!r}")


async def _ask(kv: Kv, action: KvAction, value: bytes | None = None) -> tuple[Message, KvResponse]:
    ipc = KV_REQUEST.encode(KvRequest(kv.package_id, kv.db, action))
    message = await ask(KV, ipc, value, kv.timeout)
    asked = f"{type(action).__name__} in {kv.db} of {kv.package_id}"
    try:
        answer = KV_RESPONSE.decode(message.ipc)
    except Malformed as problem:
        raise KvError(f"{asked}: the answer is unreadable", problem) from None
    if isinstance(answer, Err):
        raise KvError(f"{asked} was refused", answer.error)
    return message, answer


async def open(package_id: PackageId | str, db: str, timeout: int = SECONDS) -> Kv:  # noqa: A001 - the reference's name
    """The database, made if there is none; we get the rights to read and write it. Our own package's only.

    Raises `KvError`, `SendError`; one of another package is used by `Kv(package_id, db)`.
    """
    kv = Kv(to_package_id(package_id), db, timeout)
    await kv._done(Open())  # noqa: SLF001 - its other half
    return kv


open_raw = open


async def remove_db(package_id: PackageId | str, db: str, timeout: int = SECONDS) -> None:
    """With all that is in it. Raises as `open`."""
    await Kv(to_package_id(package_id), db, timeout)._done(RemoveDb())  # noqa: SLF001 - its other half
