"""A process's mailbox: a bounded queue and the one task that waits on it (PROTOCOL 0.4, 3.8; DESIGN section 2)."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import attrs
from trio.lowlevel import Task, checkpoint, current_task, reschedule

from kernel.errors import ProcessEnded, ReceiveConflict
from kernel.message import KernelMessage, SendError
from kernel.parking import WAKE, Sleep, make_sleep, park, sleep, wake

if TYPE_CHECKING:
    from kernel.process import OpenRequest

MAX_MESSAGES = 65_536
MAX_BYTES = 64 * 1024 * 1024
YIELD_EVERY = 64


@attrs.frozen
class Limits:
    """What a mailbox holds at most; bytes count ipc and payload."""

    messages: int = MAX_MESSAGES
    bytes: int = MAX_BYTES


DEFAULT_LIMITS = Limits()


@attrs.define(eq=False)
class Returned:
    """A message of ours that came back. `answers` is the open request it settles, if there was one."""

    error: SendError
    answers: OpenRequest | None
    size: int


Item = KernelMessage | Returned


class Mailbox:
    """FIFO. Only `take` waits; everything else is one step."""

    __slots__ = ("_bytes", "_queue", "_receiving", "_senders", "_since_yield", "_sleep", "_task", "limits")

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self.limits = limits
        self._queue: deque[Item] | None = None
        self._bytes = 0
        self._task: Task | None = None
        self._receiving = False
        self._since_yield = 0
        self._senders: deque[Task] | None = None
        self._sleep: Sleep | None = None

    def __len__(self) -> int:
        return len(self._queue) if self._queue else 0

    @property
    def bytes(self) -> int:
        return self._bytes

    def fits(self, size: int) -> bool:
        """Whether a message of `size` bytes has room."""
        limits = self.limits
        queue = self._queue
        return self._bytes + size <= limits.bytes and (not queue or len(queue) < limits.messages)

    def put(self, item: Item) -> None:
        """Append, whether it fits or not: the caller decides."""
        queue = self._queue
        if queue is None:
            queue = self._queue = deque()
        queue.append(item)
        self._bytes += item.size
        task = self._task
        if task is not None:
            self._task = None
            reschedule(task, WAKE)  # type: ignore[arg-type]

    def _left(self) -> None:
        self._task = None

    def offer(self, item: Item) -> bool:
        """Append if it fits."""
        limits = self.limits
        queue = self._queue
        if queue is None:
            queue = self._queue = deque()
        total = self._bytes + item.size
        if total > limits.bytes or len(queue) >= limits.messages:
            return False
        queue.append(item)
        self._bytes = total
        task = self._task
        if task is not None:
            self._task = None
            reschedule(task, WAKE)  # type: ignore[arg-type]
        return True

    def take_nowait(self) -> Item | None:
        """The oldest item; None when there is none, when another task waits, or when it is time to yield: use `take`."""
        queue = self._queue
        if not queue or self._receiving or self._since_yield >= YIELD_EVERY:
            return None
        self._since_yield += 1
        item = queue.popleft()
        self._bytes -= item.size
        if self._senders:
            self.admit_sender()
        return item

    async def take(self) -> Item:
        """The oldest item, waiting for it. Yields once in any case.

        Raises `ReceiveConflict` when another task waits here.
        """
        if self._receiving:
            raise ReceiveConflict(
                "another task of this process is receiving: receive in one task and pass the messages on, "
                "or await answers with send_and_await_response"
            )
        self._since_yield = 0
        self._receiving = True
        try:
            if self._queue:
                await checkpoint()
            else:
                if self._sleep is None:
                    self._sleep = make_sleep(self._left)
                self._task = current_task()
                await sleep(self._sleep)
        finally:
            self._receiving = False
        item = self.take_nowait()
        if item is None:
            raise ProcessEnded("the process ended while it received")
        return item

    def drain(self) -> list[Item]:
        """Everything unread, oldest first; the mailbox is empty afterwards."""
        items = list(self._queue or ())
        self._queue = None
        self._bytes = 0
        return items

    # -- senders that would rather wait

    def has_room(self, size: int) -> bool:
        """Whether a sender that would rather wait need not: there is room, and nobody waits before it."""
        return not self._senders and self.fits(size)

    async def wait_room(self, size: int) -> None:
        """Return when a message of `size` has room, first come first served; at once when it could never fit.

        Call `admit_sender` after using the room, so that the next in line sees what is left.
        """
        if size > self.limits.bytes or self.has_room(size):
            return
        if self._senders is None:
            self._senders = deque()
        senders = self._senders
        task = current_task()

        def left() -> None:
            senders.remove(task)

        senders.append(task)
        await park(left)
        while not self.fits(size):
            senders.appendleft(task)
            await park(left)

    def admit_sender(self) -> None:
        """Wake the sender that waits longest, if there is any room at all."""
        senders = self._senders
        if senders and self.fits(0):
            wake(senders.popleft())

    def release_senders(self) -> None:
        """Wake all that wait: the process has ended."""
        while self._senders:
            wake(self._senders.popleft())
