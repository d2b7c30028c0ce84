"""Received messages on their way from a socket's reader to the one task that takes them."""

from __future__ import annotations

from collections import deque
from typing import Self

import trio

from kernel.parking import Sleep, make_sleep, park, sleep, wake


class MessageQueue:
    """Bounded, with one putter and one taker. Unlike a trio channel it only waits when it must.

    Also the receiving end that trio-websocket closes: `aclose` throws away what was not taken.
    """

    def __init__(self, max_messages: int, max_bytes: int) -> None:
        self._max_messages = max_messages
        self._max_bytes = max_bytes
        self._messages: deque[str | bytes] | None = None
        """Made with the first message: an idle socket stays small."""
        self._bytes = 0
        self._ended = False
        self._taking: Sleep | None = None
        self._taker: trio.lowlevel.Task | None = None
        self._putter: trio.lowlevel.Task | None = None

    async def put(self, message: str | bytes) -> None:
        """Append, then wait while the queue is over its bounds. An ended queue drops the message."""
        self.add(message)
        await self.wait_room()

    def add(self, message: str | bytes) -> bool:
        """The first half of `put`; False when the second half, `wait_room`, would wait."""
        if self._ended:
            return True
        if self._messages is None:
            self._messages = deque()
        self._messages.append(message)
        self._bytes += len(message)
        self._wake_taker()
        return len(self._messages) < self._max_messages and self._bytes < self._max_bytes

    async def wait_room(self) -> None:
        """The second half of `put`."""
        while self._messages and (
            len(self._messages) >= self._max_messages or self._bytes >= self._max_bytes
        ):
            if self._ended:
                return
            self._putter = trio.lowlevel.current_task()
            await park(self._putter_left)

    async def get(self) -> str | bytes | None:
        """The next message, or None when the queue has ended and is empty.

        Raises trio.BusyResourceError while another task waits here.
        """
        while not self._messages:
            if self._ended:
                await trio.lowlevel.checkpoint()
                return None
            if self._taker is not None:
                raise trio.BusyResourceError("another task already waits for this socket's messages")
            self._taker = trio.lowlevel.current_task()
            if self._taking is None:
                self._taking = make_sleep(self._taker_left)
            await sleep(self._taking)
        message = self._messages.popleft()
        self._bytes -= len(message)
        if self._putter is not None and len(self._messages) * 2 <= self._max_messages:
            self._wake_putter()
        return message

    def end(self) -> None:
        """Nothing more comes; what is there can still be taken."""
        self._ended = True
        self._wake_taker()
        self._wake_putter()

    async def aclose(self) -> None:
        self._messages = None
        self._bytes = 0
        self.end()

    def _wake_taker(self) -> None:
        if self._taker is not None:
            wake(self._taker)
            self._taker = None

    def _wake_putter(self) -> None:
        if self._putter is not None:
            wake(self._putter)
            self._putter = None

    def _taker_left(self) -> None:
        self._taker = None

    def _putter_left(self) -> None:
        self._putter = None


class MessageInlet:
    """The sending end that trio-websocket's reader holds open while it runs."""

    def __init__(self, queue: MessageQueue) -> None:
        self._queue = queue

    async def aclose(self) -> None:
        self._queue.end()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._queue.end()
