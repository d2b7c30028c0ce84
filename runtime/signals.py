"""SIGINT and SIGTERM, from before a node has a home until it has left it (DESIGN section 4)."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from types import FrameType

import trio

LAST_SECONDS = 3.5
"""After the first signal: whoever still holds the event loop then is left behind."""

ASKING = (signal.SIGINT, signal.SIGTERM)

_Handler = Callable[[int, FrameType | None], object]


class Signals:
    """The first one asks the node to stop and starts a clock; a second one ends everything at once.

    `tidy` is what `leave` does about the home. `ready` is set before its processes
    run: until then, being asked cancels the boot.
    """

    def __init__(self) -> None:
        self.tidy: Callable[[], None] = lambda: None
        self.ready = False
        self._asked = trio.Event()
        self._token: trio.lowlevel.TrioToken | None = None
        self._seen = False

    @contextmanager
    def caught(self) -> Iterator[None]:
        with _handling(dict.fromkeys(ASKING, self._arrived)):
            yield

    @contextmanager
    def raised(self) -> Iterator[None]:
        """In this block they raise KeyboardInterrupt: somebody is being asked something, and answers so."""
        with _handling(dict.fromkeys(ASKING, signal.default_int_handler)):
            yield

    async def asked(self) -> None:
        """Until the first signal."""
        self._token = trio.lowlevel.current_trio_token()
        await self._asked.wait()

    async def stop_booting(self, scope: trio.CancelScope) -> None:
        await self.asked()
        if not self.ready:
            scope.cancel()

    def _arrived(self, number: int, frame: FrameType | None) -> None:
        if self._seen:
            self.leave(1)
        self._seen = True
        threading.Thread(target=self._last_call, name="nectar last call", daemon=True).start()
        if self._token is None:
            self._asked.set()
            return
        with suppress(trio.RunFinishedError):
            self._token.run_sync_soon(self._asked.set, idempotent=True)

    def _last_call(self) -> None:
        time.sleep(LAST_SECONDS)  # a thread of its own, because the event loop may be held
        self.leave(0)

    def leave(self, code: int) -> None:
        """Without waiting for anything or anybody. What was acknowledged is on the disk."""
        with suppress(Exception):
            self.tidy()
        os._exit(code)


@contextmanager
def _handling(handlers: Mapping[signal.Signals, _Handler]) -> Iterator[None]:
    former = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
