"""Keeps keys and values of packages in the node's `Engine` (PROTOCOL 7.4).

The requests of one process happen in the order sent, those of others beside them. What changes something is
acknowledged when it is durable. Rights are looked at when a request's turn comes, so that `Open` counts for what was
sent right behind it.
"""

from __future__ import annotations

from kernel.address import Address, ProcessId
from kernel.codec import Err, Malformed
from kernel.message import Message, Payload
from kernel.ports import Init
from kernel.syscalls import current
from sys_processes._crew import serve_in_turns
from sys_processes._database_desk import TROUBLES, Desk, Heard, common_error
from sys_processes._databases import Transactions, database
from sys_processes._serve import Answer, Outcome
from sys_processes.devices import DatabaseName, Engine, KeyWrite, NoDatabase
from sys_processes.kv.core import early_failure, is_early, key_of, kind_of_right, missing, too_large
from sys_processes.kv.protocol import (
    EARLY_FAILURE,
    KV_REQUEST,
    KV_RESPONSE,
    AddCapFailed,
    Backup,
    BeganTx,
    BeginTx,
    Commit,
    Delete,
    DiskError,
    EngineError,
    Get,
    KeyNotFound,
    KvAction,
    KvError,
    KvRequest,
    KvResponse,
    MalformedRequest,
    MismatchingPackageId,
    New,
    NoReadCap,
    Ok,
    Open,
    RemoveDb,
    Set,
)


def _answer(response: KvResponse, payload: Payload | None = None) -> Answer:
    return Answer(KV_RESPONSE.encode(response), payload)


_OK = _answer(Ok())


class _Kv:
    def __init__(self, engine: Engine, desk: Desk[KeyWrite]) -> None:
        self._engine = engine
        self._desk = desk

    def decode(self, message: Message) -> Heard[KvRequest]:
        return self._desk.decode(message, KV_REQUEST)

    async def handle(self, message: Message, heard: Heard[KvRequest]) -> Outcome:
        return self._desk.enter(message, heard, self._serve, _too_many)

    async def _serve(self, source: ProcessId, request: KvRequest, payload: Payload | None) -> Answer:
        action = request.action
        try:
            name = database(request.package_id, request.db)
            refused = self._refused(source, name, action)
            if refused is not None:
                return _refusal(action, refused)
            return await self._do(source, name, action, payload)
        except TROUBLES as error:
            current().print_to_terminal(2, f"a request of {source} was refused: {error}")
            return _refusal(action, common_error(error) or EngineError(str(error)))

    def _refused(self, source: ProcessId, name: DatabaseName, action: KvAction) -> KvError | None:
        kind = kind_of_right(action)
        if kind is None:
            return None if self._desk.may_make(source, name) else MismatchingPackageId()
        return None if self._desk.may(kind, source, name) else missing(kind)

    async def _do(
        self, source: ProcessId, name: DatabaseName, action: KvAction, payload: Payload | None
    ) -> Answer:
        match action:
            case Open() | New():
                await self._engine.make(name)
                return _OK if self._desk.give_rights(source, name) else _refusal(action, AddCapFailed())
            case RemoveDb():
                await self._engine.remove(name)
                self._desk.removed(name)
            case Get():
                return await self._get(name, action)
            case Set(key, tx_id):
                if payload is None:
                    return _refusal(action, MalformedRequest())
                return await self._change(source, name, action, (key, payload.bytes), tx_id)
            case Delete(key, tx_id):
                return await self._change(source, name, action, (key, None), tx_id)
            case BeginTx():
                await self._check_exists(name)
                return _answer(BeganTx(self._desk.begin(source, name)))
            case Commit(tx_id):
                await self._engine.write(name, self._desk.take(tx_id, source, name))
            case Backup():
                await self._check_exists(name)
        return _OK

    async def _check_exists(self, name: DatabaseName) -> None:
        if not await self._engine.exists(name):
            raise NoDatabase(name)

    async def _get(self, name: DatabaseName, get: Get) -> Answer:
        value = await self._engine.get(name, key_of(get))
        if value is None:
            return _refusal(get, KeyNotFound())
        return _answer(get, Payload(None, value))

    async def _change(
        self, source: ProcessId, name: DatabaseName, action: KvAction, write: KeyWrite, tx_id: int | None
    ) -> Answer:
        key, value = write
        refused = too_large(key, value or b"")
        if refused is not None:
            return _refusal(action, refused)
        if tx_id is None:
            await self._engine.write(name, [write])
        else:
            self._desk.add(tx_id, source, name, write, len(key) + len(value or b""))
        return _OK

    def malformed(self, error: Malformed) -> bytes:
        return _answer(Err(MalformedRequest())).ipc

    def foreign(self) -> bytes:
        return _answer(Err(NoReadCap())).ipc

    def failed(self, error: Exception) -> bytes:
        return _answer(Err(DiskError(f"{type(error).__name__}: {error}"))).ipc


def _refusal(action: KvAction, error: KvError) -> Answer:
    """In the words of the era that spells the action so."""
    if is_early(action):
        return Answer(EARLY_FAILURE.encode(Err(early_failure(action, error))))
    return _answer(Err(error))


def _too_many(request: KvRequest, error: DiskError) -> Answer:
    return _refusal(request.action, error)


def make(engine: Engine) -> Init:
    """The `init` of the process. Transactions outlive a restart of it."""
    transactions: Transactions[KeyWrite] = Transactions()

    async def init(our: Address) -> None:
        desk = Desk(transactions, engine)
        desk.open()
        await serve_in_turns(_Kv(engine, desk))

    return init
