"""Answers each request when its time is over (PROTOCOL 7.2). Timers do not outlive the node."""

from __future__ import annotations

from functools import partial

from kernel.address import Address
from kernel.codec import Malformed
from kernel.message import Message
from kernel.ports import Init
from kernel.syscalls import current
from sys_processes._serve import Answer, Later, Outcome, serve
from sys_processes.timer.protocol import MALFORMED, Debug, SetTimer, TimerRequest, decode_timer

_DONE = Answer(b"")


class _Timers:
    def __init__(self) -> None:
        self._running = 0

    def decode(self, message: Message) -> TimerRequest:
        return decode_timer(message.ipc)

    async def handle(self, message: Message, request: TimerRequest) -> Outcome:
        match request:
            case Debug():
                current().print_to_terminal(0, f"{self._running} timers run")
                return _DONE
            case SetTimer(ms):
                if not message.wants_response or _is_too_late(message, ms):
                    return None
                return Later(partial(self._wait, ms))

    async def _wait(self, ms: int) -> Answer:
        self._running += 1
        try:
            await current().sleep(ms / 1000)
        finally:
            self._running -= 1
        return _DONE

    def malformed(self, error: Malformed) -> bytes:
        return MALFORMED

    def foreign(self) -> bytes:
        return MALFORMED

    def failed(self, error: Exception) -> bytes:
        return MALFORMED


def _is_too_late(message: Message, ms: int) -> bool:
    """Whether the asker hears a Timeout first, and the answer never."""
    return message.expects_response is not None and ms > message.expects_response * 1000


def make() -> Init:
    async def init(our: Address) -> None:
        await serve(_Timers())

    return init
