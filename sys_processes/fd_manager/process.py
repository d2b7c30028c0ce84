"""Shares the files that the node may have open among those who keep some open (PROTOCOL 7.9).

Who has a share is told of each change of it by a request, `FdsLimit`. Shares are spread anew when somebody who has one
comes, goes or hits its limit, after an update, and when `OpenFiles` says so: to count open files takes its time.
"""

from __future__ import annotations

from typing import TypeAlias

import trio

from kernel.address import Address, ProcessId
from kernel.capability import ROOT
from kernel.codec import Err, Malformed
from kernel.message import Message, Request
from kernel.ports import Init
from kernel.process_exited import ProcessExited
from kernel.syscalls import current
from sys_processes._exits import hear_of_exits
from sys_processes._serve import Answer, Outcome, serve
from sys_processes.devices import OpenFiles
from sys_processes.fd_manager.core import BadUpdate, Shares
from sys_processes.fd_manager.protocol import (
    FD_MANAGER_REQUEST,
    FD_MANAGER_RESPONSE,
    FDS_LIMIT,
    BadRequest,
    FdManagerRequest,
    FdManagerResponse,
    FdManagerUpdate,
    FdsLimit,
    FdsLimitHit,
    GetProcessFdLimit,
    GetState,
    NoCap,
    NotRegistered,
    Ok,
    RequestFdsLimit,
    ShareIs,
    SharesAre,
    UpdateUpdateUlimitSecs,
)

_Asked: TypeAlias = FdManagerRequest | ProcessExited


def _answer(response: FdManagerResponse) -> Answer:
    return Answer(FD_MANAGER_RESPONSE.encode(response))


class _ShareDesk:
    def __init__(self, our: Address, open_files: OpenFiles, shares: Shares) -> None:
        self._our = our
        self._open_files = open_files
        self._shares = shares
        self._waiting = trio.CancelScope()

    def decode(self, message: Message) -> _Asked:
        return ProcessExited.from_message(message) or FD_MANAGER_REQUEST.decode(message.ipc)

    async def handle(self, message: Message, request: _Asked) -> Outcome:
        source = message.source.process
        match request:
            case ProcessExited(process):
                if self._shares.forget(process):
                    self._spread()
                return None
            case RequestFdsLimit():
                return self._register(source, tell=not message.wants_response)
            case FdsLimitHit():
                if self._shares.hit(source, trio.current_time()):
                    self._spread()
            case GetState():
                return _answer(SharesAre(self._shares.standings()))
            case GetProcessFdLimit(process):
                limit = self._shares.limit_of(process)
                return _answer(Err(NotRegistered(process)) if limit is None else ShareIs(limit))
            case update:
                return self._update(update)
        return _answer(Ok())

    def _register(self, source: ProcessId, *, tell: bool) -> Answer:
        """Whoever asks hears its share, be it the one that it had; where it waits for an answer, by that."""
        if self._shares.add(source):
            self._spread(but=source)
        limit = FdsLimit(self._shares.limit_of(source) or 0)
        if tell:
            self._tell(source, limit.files)
        return _answer(limit)

    def _update(self, update: FdManagerUpdate) -> Answer:
        if not current().has_capability(ROOT):
            return _answer(Err(NoCap()))
        try:
            self._shares.update(update)
        except BadUpdate as error:
            return _answer(Err(BadRequest(str(error))))
        if isinstance(update, UpdateUpdateUlimitSecs):
            self._waiting.cancel()
        self._spread()
        return _answer(Ok())

    def _spread(self, *, but: ProcessId | None = None) -> None:
        """Tell everybody whose share has changed, and whom we may message; the others may ask."""
        changed = self._shares.spread(self._open_files.allowed(), self._open_files.used())
        for process, files in changed.items():
            if process != but:
                self._tell(process, files)

    def _tell(self, process: ProcessId, files: int) -> None:
        target = Address(self._our.node, process)
        if current().can_message(target):
            current().send_request(target, Request(ipc=FDS_LIMIT.encode(FdsLimit(files))))

    async def look_again(self) -> None:
        while True:
            with trio.CancelScope() as self._waiting:
                await self._open_files.wait_look(self._shares.update_seconds)
                self._spread()

    def malformed(self, error: Malformed) -> bytes:
        return _answer(Err(BadRequest(str(error)))).ipc

    def foreign(self) -> bytes:
        return _answer(Err(NoCap())).ipc

    def failed(self, error: Exception) -> bytes:
        return _answer(Err(BadRequest(f"{type(error).__name__}: {error}"))).ipc


def make(open_files: OpenFiles) -> Init:
    """The `init` of the process. Shares outlive a restart of it."""
    shares = Shares()

    async def init(our: Address) -> None:
        hear_of_exits()
        for process in shares.standings():
            if not current().is_running(process):
                shares.forget(process)
        manager = _ShareDesk(our, open_files, shares)
        current().start_soon(manager.look_again)
        await serve(manager)

    return init
