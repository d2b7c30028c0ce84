"""What kv and sqlite do alike: who waits, who may, and what is not committed yet (PROTOCOL 7.4, 7.5)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Generic, TypeAlias, TypeVar

import trio

from kernel.address import ProcessId
from kernel.capability import KERNEL, ROOT
from kernel.codec import Shape
from kernel.errors import BadCapability
from kernel.message import Message, Payload
from kernel.process_exited import ProcessExited
from kernel.syscalls import current
from sys_processes._database_words import CommonError, DiskError, NoDb, NoTx
from sys_processes._databases import BadName, NoSuchTransaction, TooMuch, Transactions, owns, right
from sys_processes._exits import hear_of_exits
from sys_processes._queues import MOST_BYTES, MOST_REQUESTS, Queues
from sys_processes._serve import Answer, Later, Outcome
from sys_processes._share_of_files import ShareOfFiles, fds_limit_of
from sys_processes.devices import DatabaseName, EngineFailed, KeepsOpen, NoDatabase
from sys_processes.fd_manager.protocol import FdsLimit

StepT = TypeVar("StepT")
RequestT = TypeVar("RequestT")

Heard: TypeAlias = RequestT | ProcessExited | FdsLimit
"""What comes to such a module: requests, and what kernel and fd_manager tell."""

TROUBLES = (BadName, NoDatabase, NoSuchTransaction, TooMuch, EngineFailed)
"""What the work on a request may raise."""


def common_error(error: Exception) -> CommonError | None:
    """One of the `TROUBLES`; None for what is wrong with the database itself."""
    match error:
        case NoDatabase():
            return NoDb(error.name.package, error.name.db)
        case NoSuchTransaction():
            return NoTx(error.number)
        case EngineFailed() if not error.of_disk:
            return None
    return DiskError(str(error))


class Desk(Generic[StepT]):
    """Of one run of the process. The transactions outlive it."""

    def __init__(self, transactions: Transactions[StepT], kept: KeepsOpen) -> None:
        self._transactions = transactions
        self._share = ShareOfFiles(kept)
        self._queues: Queues[Answer] = Queues()
        self._sweeping = False

    def open(self) -> None:
        """Hear from now on of the end of those who leave transactions behind, and how much may be open."""
        node = current()
        hear_of_exits()
        self._share.ask()
        for owner in self._transactions.owners():
            if not node.is_running(owner):
                self._transactions.drop_of(owner)

    @staticmethod
    def decode(message: Message, shape: Shape[RequestT]) -> Heard[RequestT]:
        """Raises `Malformed`."""
        return ProcessExited.from_message(message) or fds_limit_of(message) or shape.decode(message.ipc)

    def enter(
        self,
        message: Message,
        heard: Heard[RequestT],
        serve: Callable[[ProcessId, RequestT, Payload | None], Awaitable[Answer]],
        refusal: Callable[[RequestT, DiskError], Answer],
    ) -> Outcome:
        """A request is served behind what the same process has sent before, or refused when that is too much."""
        match heard:
            case ProcessExited(process):
                return Later(self._queues.enter(process, 0, partial(self._gone, process)))
            case FdsLimit():
                return Later(partial(self._share.take, heard))
        self._share.look()
        payload = message.payload()
        source, size = message.source.process, len(message.ipc) + (len(payload.bytes) if payload else 0)
        if not self._queues.has_room(source, size):
            text = f"{MOST_REQUESTS} requests or {MOST_BYTES} bytes of {source} wait already: await their answers first"
            return refusal(heard, DiskError(text))
        return Later(self._queues.enter(source, size, partial(serve, source, heard, payload)))

    async def _gone(self, process: ProcessId) -> Answer:
        """Roll back what it left open."""
        self._transactions.drop_of(process)
        return Answer(b"")

    # -- rights

    @staticmethod
    def may_make(source: ProcessId, name: DatabaseName) -> bool:
        return source == KERNEL or owns(source, name)

    @staticmethod
    def may(kind: str, source: ProcessId, name: DatabaseName) -> bool:
        """Whether the sender whose request this task serves may "read" or "write" there."""
        node = current()
        return source == KERNEL or node.has_capability(right(kind, name)) or node.has_capability(ROOT)

    @staticmethod
    def give_rights(to: ProcessId, name: DatabaseName) -> bool:
        """False when the process is no more."""
        try:
            for kind in ("read", "write"):
                current().create_capability(to, right(kind, name))
        except BadCapability:
            return False
        return True

    # -- transactions

    def begin(self, owner: ProcessId, name: DatabaseName) -> int:
        """Raises `TooMuch`."""
        number = self._transactions.begin(owner, name, trio.current_time())
        if not self._sweeping:
            self._sweeping = True
            current().start_soon(self._sweep)
        return number

    def add(self, number: int, owner: ProcessId, name: DatabaseName, step: StepT, size: int) -> None:
        """Raises `NoSuchTransaction`, `TooMuch`."""
        self._transactions.add(number, owner, name, step, size, trio.current_time())

    def take(self, number: int, owner: ProcessId, name: DatabaseName) -> list[StepT]:
        """Its steps; it is over, whatever becomes of them. Raises `NoSuchTransaction`."""
        return self._transactions.take(number, owner, name, trio.current_time())

    def removed(self, name: DatabaseName) -> None:
        self._transactions.drop_in(name)

    async def _sweep(self) -> None:
        """Drops what is idle, as long as there is any transaction."""
        while (then := self._transactions.drop_idle(trio.current_time())) is not None:
            await current().sleep(then - trio.current_time())
        self._sweeping = False
