"""How tasks sleep and are woken without trio's own objects (kernel/parking.py)."""

from __future__ import annotations

import types

import pytest
import trio
import trio.testing

from kernel import parking
from kernel.parking import check_trio, make_sleep, park, sleep, wake


async def test_a_parked_task_goes_on_when_it_is_woken():
    steps: list[str] = []

    async def sleeper(task_status: trio.TaskStatus[trio.lowlevel.Task]) -> None:
        task_status.started(trio.lowlevel.current_task())
        await park(lambda: steps.append("left"))
        steps.append("woken")

    async with trio.open_nursery() as nursery:
        task = await nursery.start(sleeper)
        await trio.testing.wait_all_tasks_blocked()
        assert steps == []
        wake(task)
    assert steps == ["woken"]


async def test_a_cancelled_sleep_says_that_it_was_left_and_raises():
    steps: list[str] = []
    with trio.move_on_after(1) as scope:
        await park(lambda: steps.append("left"))
    assert scope.cancelled_caught
    assert steps == ["left"]


async def test_one_sleep_can_be_slept_again_and_again():
    left: list[float] = []
    how = make_sleep(lambda: left.append(trio.current_time()))
    for _ in range(3):
        with trio.move_on_after(1):
            await sleep(how)
    task = trio.lowlevel.current_task()

    async def waker() -> None:
        wake(task)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(waker)
        await sleep(how)
    assert left == [1, 2, 3]


async def test_a_task_that_was_woken_and_cancelled_at_once_was_woken():
    """What it was woken for is not lost."""
    steps: list[str] = []
    scope = trio.CancelScope()

    async def sleeper(task_status: trio.TaskStatus[trio.lowlevel.Task]) -> None:
        task_status.started(trio.lowlevel.current_task())
        with scope:
            await park(lambda: steps.append("left"))
            steps.append("woken")

    async with trio.open_nursery() as nursery:
        task = await nursery.start(sleeper)
        await trio.testing.wait_all_tasks_blocked()
        wake(task)
        scope.cancel()
    assert steps == ["woken"]


def test_trio_sleeps_as_it_did():
    check_trio()


@pytest.mark.parametrize("way", ["another yield", "no yield", "two yields"])
def test_a_trio_that_sleeps_in_another_way_is_noticed(monkeypatch, way):
    @types.coroutine
    def other(abort):
        if way != "no yield":
            yield "something else"
        if way == "two yields":
            yield "more"

    monkeypatch.setattr(parking, "wait_task_rescheduled", other)
    with pytest.raises(RuntimeError, match="sleeps in another way"):
        check_trio()
