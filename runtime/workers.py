"""Blocking work in threads. A call costs about two thirds of one through `trio.to_thread`, which every request to a
database feels: threads wait at one queue, and who is next is decided in the event loop, without locks.
"""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from threading import Thread
from typing import Any, ParamSpec, TypeAlias, TypeVar

import outcome
import trio
from trio.lowlevel import Abort, RaiseCancelT, Task, TrioToken, current_task, current_trio_token, reschedule

P = ParamSpec("P")
T = TypeVar("T")

_Result: TypeAlias = outcome.Outcome[Any]
_Job: TypeAlias = tuple[Callable[[], object], Callable[[_Result], object], TrioToken]


class ThreadWorkers:
    """`sys_processes.devices.Workers` of a real node: at most `limit` pieces of work at a time, the others
    wait in order.

    A cancelled caller that still waits for a thread gives up; one whose work has begun returns when that is
    done. The threads end with this object.
    """

    def __init__(self, limit: int = 16) -> None:
        self._limit = limit
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._threads = 0
        self._busy = 0
        self._waiting: deque[Task] = deque()
        weakref.finalize(self, self._jobs.put, None)

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        await trio.lowlevel.checkpoint_if_cancelled()
        if self._busy < self._limit:
            self._busy += 1
        else:
            await self._wait_for_a_thread()
        call = partial(work, *args, **kwargs) if args or kwargs else work
        task = current_task()
        self._jobs.put((call, partial(self._done, task), current_trio_token()))
        if self._busy > self._threads:
            self._threads += 1
            # A node that is told to end does not wait for a disk that hangs.
            Thread(target=_serve, args=(self._jobs,), name="nectar worker", daemon=True).start()
        found: T = await trio.lowlevel.wait_task_rescheduled(_is_not_given_up)
        return found

    async def _wait_for_a_thread(self) -> None:
        """Its place is that of the work which has just been done."""
        task = current_task()
        self._waiting.append(task)

        def give_up(_: RaiseCancelT) -> Abort:
            self._waiting.remove(task)
            return Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(give_up)

    def _done(self, task: Task, result: _Result) -> None:
        """In the event loop."""
        if self._waiting:
            reschedule(self._waiting.popleft())
        else:
            self._busy -= 1
        reschedule(task, result)


def _is_not_given_up(_: RaiseCancelT) -> Abort:
    return Abort.FAILED


def _serve(jobs: SimpleQueue[_Job | None]) -> None:
    """A thread, until it finds the end. It does not know whose jobs they are."""
    while (job := jobs.get()) is not None:
        work, done, token = job
        result = outcome.capture(work)
        # Where the loop is over, nobody waits any more.
        with suppress(trio.RunFinishedError):
            token.run_sync_soon(done, result)
        del job, work, done, result
    jobs.put(None)
