"""Blocking work in threads."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import ParamSpec, TypeVar

import trio

P = ParamSpec("P")
T = TypeVar("T")


class ThreadWorkers:
    """`sys_processes.devices.Workers` of a real node: at most `limit` pieces of work at a time, the others
    wait.

    A cancelled caller that still waits for a thread gives up; one whose work has begun returns when that is
    done.
    """

    def __init__(self, limit: int = 16) -> None:
        self._limiter = trio.CapacityLimiter(limit)

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        call = partial(work, *args, **kwargs) if args or kwargs else work
        return await trio.to_thread.run_sync(call, limiter=self._limiter)
