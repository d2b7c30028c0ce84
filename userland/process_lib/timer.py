"""Timers that answer like any other process (PROTOCOL 5.7). To just wait, `await sleep(seconds)` is enough."""

from __future__ import annotations

from kernel.address import Address
from kernel.message import Message
from kernel.syscalls import current
from sys_processes.timer.protocol import TIMER, encode_timer
from userland.process_lib._builders import Bytes, Request

__all__ = ["set_and_await_timer", "set_timer"]


def _request(ms: int) -> Request:
    if not isinstance(ms, int) or isinstance(ms, bool):
        raise TypeError(
            f"a timer takes a whole number of milliseconds, got {ms!r}; write int(seconds * 1000)"
        )
    return Request().target(Address(current().our.node, TIMER)).ipc(encode_timer(ms))


def _seconds(ms: int) -> int:
    """Longer than the timer runs, so that its answer comes before the error would."""
    return ms // 1000 + 1


def set_timer(ms: int, context: Bytes | None = None) -> None:
    """In `ms` milliseconds a Response with an empty ipc and this context arrives through `await_message`.

    ValueError for a negative time, TypeError for what is no whole number.
    """
    _request(ms).expects_response(_seconds(ms)).context(context).send()


async def set_and_await_timer(ms: int) -> Message:
    """Return after `ms` milliseconds, with the timer's Response. Raises `SendError`; ValueError for a negative time."""
    return await _request(ms).send_and_await_response(_seconds(ms))
