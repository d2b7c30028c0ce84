"""What a module that keeps files open has to do with fd_manager (PROTOCOL 7.9)."""

from __future__ import annotations

import trio

from kernel.address import Address
from kernel.message import Message, Request
from kernel.syscalls import current
from sys_processes._serve import Answer
from sys_processes.devices import KeepsOpen
from sys_processes.fd_manager.protocol import (
    FD_MANAGER,
    FD_MANAGER_REQUEST,
    FDS_LIMIT,
    HIT_SECONDS,
    FdManagerRequest,
    FdsLimit,
    FdsLimitHit,
    RequestFdsLimit,
)


def _tell(request: FdManagerRequest) -> None:
    manager = Address(current().our.node, FD_MANAGER)
    if current().is_running(FD_MANAGER):
        current().send_request(manager, Request(ipc=FD_MANAGER_REQUEST.encode(request)))


def fds_limit_of(message: Message) -> FdsLimit | None:
    """What fd_manager tells; None for every other message. Raises `Malformed`."""
    if message.source.process == FD_MANAGER and message.is_local() and message.is_request():
        return FDS_LIMIT.decode(message.ipc)
    return None


class ShareOfFiles:
    """Of one run of the module."""

    def __init__(self, kept: KeepsOpen) -> None:
        self._kept = kept
        self._closings = kept.closings
        self._told_at = -HIT_SECONDS

    @staticmethod
    def ask() -> None:
        """What is heard of it comes as a request, see `fds_limit_of`."""
        _tell(RequestFdsLimit())

    async def take(self, limit: FdsLimit) -> Answer:
        await self._kept.keep_open(max(1, limit.files))
        return Answer(b"")

    def look(self) -> None:
        """Tell of what had to be closed since the last look."""
        if self._kept.closings == self._closings:
            return
        now = trio.current_time()
        if now >= self._told_at + HIT_SECONDS:
            self._closings, self._told_at = self._kept.closings, now
            _tell(FdsLimitHit())
