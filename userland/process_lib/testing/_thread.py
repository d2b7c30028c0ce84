"""trio in a thread of its own, on virtual time that moves only while something is asked of it."""

from __future__ import annotations

import math
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager
from typing import Generic, TypeVar

import trio
import trio.testing

T = TypeVar("T")
V = TypeVar("V")

REAL_SECONDS = 20.0
"""An actor that never waits is given up after this time on the real clock."""


class ActorStuck(Exception):
    """The actor never came to rest: it computes or loops without waiting for anything."""


class TrioThread(Generic[V]):
    """Holds one context manager open, and runs functions beside it."""

    def __init__(self, hold: Callable[[], AbstractAsyncContextManager[V]]) -> None:
        self._hold = hold
        self._clock = trio.testing.MockClock()
        self._held: Future[V] = Future()
        self._ended: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, name="actor under test", daemon=True)
        self._token: trio.lowlevel.TrioToken | None = None
        self._nursery: trio.Nursery | None = None
        self._leave = trio.Event()

    def start(self) -> V:
        """What the context manager gives. Raises what its entry raises, or `ActorStuck`."""
        self._thread.start()
        return self._result(self._held)

    def _run(self) -> None:
        try:
            trio.run(self._main, clock=self._clock)
        except BaseException as error:  # noqa: BLE001 - belongs to the thread of the test
            if not self._held.done():
                self._held.set_exception(error)
            self._ended.set_exception(error)
        else:
            self._ended.set_result(None)

    async def _main(self) -> None:
        async with self._hold() as value:
            self._token = trio.lowlevel.current_trio_token()
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                self._held.set_result(value)
                await self._leave.wait()

    def call(self, function: Callable[[], Awaitable[T]]) -> T:
        """Run it in trio, time moving as needed. Raises what it raises, or `ActorStuck`."""
        assert self._token is not None
        assert self._nursery is not None
        future: Future[T] = Future()

        async def perform() -> None:
            self._clock.autojump_threshold = 0
            try:
                future.set_result(await function())
            except Exception as error:  # noqa: BLE001 - belongs to the thread of the test
                future.set_exception(error)
            finally:
                self._clock.autojump_threshold = math.inf

        self._token.run_sync_soon(self._nursery.start_soon, perform)
        return self._result(future)

    def stop(self) -> None:
        """Leave the context manager. Raises what leaving raises, or `ActorStuck`."""
        assert self._token is not None
        self._token.run_sync_soon(self._leave.set)
        self._result(self._ended)
        self._thread.join()

    @staticmethod
    def _result(future: Future[T]) -> T:
        try:
            return future.result(REAL_SECONDS)
        except TimeoutError:
            if future.done():
                raise
            raise ActorStuck(
                f"the actor did not come to rest within {REAL_SECONDS:g} s: "
                "it computes or loops without awaiting a message, an answer or sleep()"
            ) from None
