"""The modules of the runtime that a tested process meets, http_server apart, as scripts of scripted processes."""

from __future__ import annotations

from kernel.address import ProcessId
from kernel.codec import Err
from kernel.message import Message, Payload
from kernel.syscalls import current
from sys_processes.homepage.protocol import DONE, HOMEPAGE_REQUEST, Add, Remove
from sys_processes.state.protocol import (
    BACKED_UP,
    DELETED,
    GOT,
    SET,
    STATE_FAILURE,
    STATE_REQUEST,
    DeleteState,
    GetState,
    NotFound,
    SetState,
)
from sys_processes.timer.protocol import SetTimer, decode_timer
from userland.process_lib._builders import Response


class Homepage:
    """Notes who is on the start page."""

    def __init__(self) -> None:
        self.entries: dict[ProcessId, Add] = {}

    def answer(self, message: Message) -> bytes | None:
        source = message.source.process
        match HOMEPAGE_REQUEST.decode(message.ipc):
            case Add() as add:
                self.entries[source] = add
            case Remove():
                self.entries.pop(source, None)
            case _:
                return None
        return DONE


class States:
    """State in memory."""

    def __init__(self) -> None:
        self.values: dict[ProcessId, bytes] = {}

    def answer(self, message: Message) -> bytes | Response:
        match STATE_REQUEST.decode(message.ipc):
            case GetState(process):
                if process not in self.values:
                    return STATE_FAILURE.encode(Err(NotFound(process)))
                return Response().ipc(GOT).payload(Payload(None, self.values[process]))
            case SetState(process):
                self.values[process] = (message.payload() or Payload()).bytes
                return SET
            case DeleteState(process):
                self.values.pop(process, None)
                return DELETED
        return BACKED_UP


async def timer(message: Message) -> bytes | None:
    """Answers when the time is over."""
    request = decode_timer(message.ipc)
    if not isinstance(request, SetTimer):
        return None
    await current().sleep(request.ms / 1000)
    return b""
