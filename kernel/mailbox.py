"""A process's mailbox: a bounded queue and the one task that waits on it (PROTOCOL 0.4, 3.8; DESIGN section 2)."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import attrs
from trio.lowlevel import Abort, Task, checkpoint, current_task, reschedule

from kernel.errors import ProcessEnded, ReceiveConflict
from kernel.message import KernelMessage, SendError
from kernel.parking import WAKE, Sleep, park, sleep, wake

if TYPE_CHECKING:
    from kernel.process import OpenRequest

MAX_MESSAGES = 65_536
MAX_BYTES = 64 * 1024 * 1024
YIELD_EVERY = 64
PACED_MESSAGES = 1024
"""From here on a sender that would rather wait does: more would only lie there."""


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

    __slots__ = (
        "_admitted",
        "_bytes",
        "_queue",
        "_receiving",
        "_senders",
        "_since_yield",
        "_sleep",
        "_taken",
        "_task",
        "limits",
    )

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self.limits = limits
        self._queue: deque[Item] | None = None
        self._bytes = 0
        self._admitted = False
        self._task: Task | None = None
        self._receiving = False
        self._since_yield = 0
        self._taken = 0
        self._senders: deque[Task] | None = None
        self._sleep: Sleep | None = None

    def __len__(self) -> int:
        return len(self._queue) if self._queue else 0

    @property
    def bytes(self) -> int:
        return self._bytes

    @property
    def taken(self) -> int:
        """How many items were received so far."""
        return self._taken + self._since_yield

    @property
    def is_awaited(self) -> bool:
        """Whether a task waits here for a message."""
        return self._task is not None

    def fits(self, size: int) -> bool:
        """Whether a message of `size` bytes has room."""
        limits = self.limits
        queue = self._queue
        return self._bytes + size <= limits.bytes and (not queue or len(queue) < limits.messages)

    def fits_from_afar(self, size: int) -> bool:
        """The same for a message of another node. Those have half of the room, so that the node's own are always heard;
        a single message may take more of it.
        """
        limits = self.limits
        queue = self._queue
        if not queue:
            return size <= limits.bytes
        return self._bytes + size <= limits.bytes // 2 and len(queue) < limits.messages // 2

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

    def _abort(self, _raise_cancel: object) -> Abort:
        self._task = None
        return Abort.SUCCEEDED

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
        """The oldest item; None when there is none, another task waits, or it is time to yield: use `take`."""
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
        self._taken += self._since_yield
        self._since_yield = 0
        self._receiving = True
        try:
            if self._queue:
                await checkpoint()
            else:
                if self._sleep is None:
                    # A bound method: smaller than the closure of `make_sleep`, and every idle process has one.
                    self._sleep = Sleep(self._abort)
                self._task = current_task()
                await sleep(self._sleep)
        finally:
            self._receiving = False
        item = self.take_nowait()
        if item is None:
            raise ProcessEnded("the process ended while it received")
        return item

    def unread(self) -> list[Item]:
        """Everything that was not received yet, oldest first."""
        return list(self._queue or ())

    def drain(self) -> list[Item]:
        """Everything unread, oldest first; the mailbox is empty afterwards."""
        items = list(self._queue or ())
        self._queue = None
        self._bytes = 0
        return items

    # -- senders that would rather wait

    def has_room(self, size: int) -> bool:
        """Whether a sender that would rather wait need not: there is room, and nobody waits before it."""
        return not self._senders and self._has_paced_room(size)

    def _has_paced_room(self, size: int) -> bool:
        queue = self._queue
        return self.fits(size) and (queue is None or len(queue) < PACED_MESSAGES)

    def credit(self) -> int:
        """How many more messages whoever was just let in may send without a new place in the line: a wake-up for each
        message would cost more than the message.
        """
        return min(YIELD_EVERY, (min(PACED_MESSAGES, self.limits.messages) - len(self)) // 2)

    async def wait_room(self, size: int) -> bool:
        """Return True when a message of `size` has room and all who came earlier had theirs: use it in this step, and
        call `leave_line` in any case. False when the process has ended.
        """
        if self._senders is None:
            self._senders = deque()
        line = self._senders
        task = current_task()

        def left() -> None:
            line.remove(task)
            self.admit_sender()

        line.append(task)
        await park(left)
        while line and not self._has_paced_room(size):
            self._admitted = False
            await park(left)
        return bool(line)

    def leave_line(self) -> None:
        """By the sender that was let in, after it used its room or could not."""
        if self._senders:
            self._senders.popleft()
            self._admitted = False
            self.admit_sender()

    def admit_sender(self) -> None:
        """Wake the sender that waits longest, if there is any room at all. It stays first until it leaves the line."""
        if self._senders and not self._admitted and self._has_paced_room(0):
            self._admitted = True
            wake(self._senders[0])

    def release_senders(self) -> None:
        """Wake all that wait: the process has ended."""
        line = self._senders
        if line:
            if self._admitted:
                line.popleft()
            while line:
                wake(line.popleft())
