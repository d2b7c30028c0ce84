"""Where the tasks of processes wait and go on: the seam for who records that order, or enforces a recorded one.

Off, it costs one attribute test each time a task waits.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Protocol, TypeVar

from kernel.process import Process

T = TypeVar("T")


class Turns(Protocol):
    """Called by the task that begins or waits, for every process of the node."""

    async def begin(self, process: Process, number: int) -> None:
        """Before the first step of a task: 0 is the main one, the others count in the order of `start_soon`.

        Tasks in nurseries of a process's own come without.
        """

    async def wait(self, process: Process, why: str, waiting: Coroutine[object, object, T]) -> T:
        """In the place of `await waiting`, which must be awaited or closed. Raises what that raises.

        `why` is `receive`, `answer` and the id of the Request, `sleep` and the seconds, `room` or `window` (of
        `send_paced`), `code` or `saved` (of `spawn`), or `turn` when the others have theirs.
        """
