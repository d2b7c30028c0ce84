"""How a task sleeps until another step wakes it: `trio.lowlevel.wait_task_rescheduled` with its objects reused.

trio makes three objects for each sleep and wake, which is a third of the cost of a hop. The sleep itself is one yield
of a `WaitTaskRescheduled`, which nothing in trio keeps or changes; `check_trio` notices when that is no longer so.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Generator

from trio._core._run import GLOBAL_RUN_CONTEXT
from trio._core._traps import WaitTaskRescheduled
from trio.lowlevel import Abort, Task, reschedule, wait_task_rescheduled


class _Wake:
    """What a sleeping task is woken with: trio only calls `unwrap`."""

    __slots__ = ()

    def unwrap(self) -> None:
        return None


WAKE = _Wake()

RUNNING = GLOBAL_RUN_CONTEXT
"""`RUNNING.task` is what `trio.lowlevel.current_task` returns, without the call; AttributeError in other threads."""

Sleep = WaitTaskRescheduled


def wake(task: Task) -> None:
    """The task goes on, in this or the next turn of the scheduler."""
    reschedule(task, WAKE)  # type: ignore[arg-type]


def make_sleep(left: Callable[[], None]) -> WaitTaskRescheduled:
    """A sleep that can be slept any number of times; `left` is called when the task is cancelled in it."""

    def abort(_raise_cancel: object) -> Abort:
        left()
        return Abort.SUCCEEDED

    return WaitTaskRescheduled(abort)


@types.coroutine
def sleep(how: WaitTaskRescheduled) -> Generator[WaitTaskRescheduled, object, None]:
    """Until `wake`. A cancellation is raised here."""
    outcome = yield how
    outcome.unwrap()  # type: ignore[attr-defined]


async def park(left: Callable[[], None]) -> None:
    """`sleep` once."""
    await sleep(make_sleep(left))


def check_trio() -> None:
    """Raises RuntimeError when trio's own sleep is no longer the one yield that `sleep` is."""
    coroutine = wait_task_rescheduled(lambda _: Abort.SUCCEEDED)  # noqa: ASYNC105 - stepped by hand below
    trap: object = None
    woken = False
    try:
        trap = coroutine.send(None)
        coroutine.send(WAKE)
    except StopIteration:
        woken = True
    finally:
        coroutine.close()
    if not woken or type(trap) is not WaitTaskRescheduled:
        raise RuntimeError("trio sleeps in another way now; adapt kernel/parking.py to it")


check_trio()
