"""Keeps each process's state in the node's `Store` (PROTOCOL 7.6).

Requests take effect in the order of their arrival; one that changes something is acknowledged when that is durable.
All that is under way at once shares the store's flush.
"""

from __future__ import annotations

from functools import partial

from kernel.address import Address, ProcessId
from kernel.capability import KERNEL, ROOT
from kernel.codec import Err, Malformed
from kernel.message import Message, Payload
from kernel.ports import Delete, Init, Put, Store, StoreFailed, Write
from kernel.syscalls import current
from sys_processes._serve import Answer, Later, Outcome, serve
from sys_processes.state.protocol import (
    BACKED_UP,
    DELETED,
    GOT,
    SET,
    STATE_FAILURE,
    STATE_REQUEST,
    BadBytes,
    BadJson,
    BadRequest,
    DeleteState,
    GetState,
    NotFound,
    SetState,
    StateError,
    StateRequest,
    StoreBroken,
)

TABLE = "states"

# So many changes may wait for the disk before the next request is looked at.
MOST_WAITING = 1000


def _refusal(error: StateError) -> bytes:
    return STATE_FAILURE.encode(Err(error))


class _States:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting = 0

    def decode(self, message: Message) -> StateRequest:
        return STATE_REQUEST.decode(message.ipc)

    async def handle(self, message: Message, request: StateRequest) -> Outcome:
        if isinstance(request, GetState | SetState | DeleteState) and not _may_touch(
            message, request.process
        ):
            text = f"{message.source.process} may not touch the state of {request.process}, only its own"
            return Answer(_refusal(BadRequest(text)))
        match request:
            case GetState(process):
                return await self._get(process)
            case SetState(process):
                payload = message.payload()
                if payload is None:
                    return Answer(_refusal(BadBytes("SetState")))
                return await self._change(Put(TABLE, str(process), payload.bytes), SET)
            case DeleteState(process):
                return await self._change(Delete(TABLE, str(process)), DELETED)
            case _:
                return Later(partial(self._when_durable, BACKED_UP))

    async def _get(self, process: ProcessId) -> Answer:
        state = await self._store.read(TABLE, str(process))
        if state is None:
            return Answer(_refusal(NotFound(process)))
        return Answer(GOT, Payload(None, state))

    async def _change(self, write: Write, done: bytes) -> Later:
        if self._waiting >= MOST_WAITING:
            await self._store.flush()
        self._store.apply([write])
        return Later(partial(self._when_durable, done))

    async def _when_durable(self, done: bytes) -> Answer:
        self._waiting += 1
        try:
            await self._store.flush()
        finally:
            self._waiting -= 1
        return Answer(done)

    def malformed(self, error: Malformed) -> bytes:
        return _refusal(BadJson(str(error)))

    def foreign(self) -> bytes:
        return _refusal(BadRequest("states belong to the processes of this node"))

    def failed(self, error: Exception) -> bytes:
        text = str(error) if isinstance(error, StoreFailed) else f"{type(error).__name__}: {error}"
        return _refusal(StoreBroken(text))


def _may_touch(message: Message, process: ProcessId) -> bool:
    """F-34: one's own state; the kernel, and who holds root of this module, any."""
    return message.source.process in (process, KERNEL) or current().has_capability(ROOT)


def make(store: Store) -> Init:
    async def init(our: Address) -> None:
        await serve(_States(store))

    return init
