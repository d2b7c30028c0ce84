"""Threads for blocking work."""

from __future__ import annotations

import gc
import threading

import pytest
import trio
import trio.testing

from runtime.workers import ThreadWorkers


@pytest.mark.real_clock
async def test_the_loop_runs_while_work_blocks() -> None:
    released = threading.Event()

    async def release() -> None:
        released.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(release)
        assert await ThreadWorkers().run(released.wait, 10)


@pytest.mark.real_clock
async def test_no_more_work_than_the_limit_runs_at_once() -> None:
    workers = ThreadWorkers(limit=2)
    lock, running, most = threading.Lock(), 0, 0
    meet = threading.Barrier(2)

    def work() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        meet.wait(10)
        with lock:
            running -= 1

    async with trio.open_nursery() as nursery:
        for _ in range(10):
            nursery.start_soon(workers.run, work)
    assert most == 2


@pytest.mark.real_clock
async def test_who_waits_for_a_thread_has_it_in_turn_and_may_give_up() -> None:
    workers = ThreadWorkers(limit=1)
    gate = threading.Event()
    done: list[object] = []

    async def work(name: str) -> None:
        done.append(await workers.run(lambda: name))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(workers.run, gate.wait, 10)
        scopes = []
        for name in "abc":
            await trio.testing.wait_all_tasks_blocked()
            scope = trio.CancelScope()
            scopes.append(scope)

            async def within(scope: trio.CancelScope = scope, name: str = name) -> None:
                with scope:
                    await work(name)

            nursery.start_soon(within)
        await trio.testing.wait_all_tasks_blocked()
        scopes[1].cancel()
        await trio.testing.wait_all_tasks_blocked()
        assert scopes[1].cancelled_caught
        gate.set()
    assert done == ["a", "c"]
    assert await workers.run(lambda: "still there") == "still there"


@pytest.mark.real_clock
async def test_work_that_has_begun_is_done_though_its_caller_is_cancelled() -> None:
    workers = ThreadWorkers()
    begun, gate = threading.Event(), threading.Event()

    def work() -> str:
        begun.set()
        gate.wait(10)
        return "done"

    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:

            async def cancel() -> None:
                await workers.run(begun.wait, 10)
                scope.cancel()
                gate.set()

            nursery.start_soon(cancel)
            assert await workers.run(work) == "done"
    with trio.CancelScope() as over:
        over.cancel()
        await workers.run(pytest.fail, "a caller that is cancelled already begins nothing")
    assert over.cancelled_caught


@pytest.mark.real_clock
async def test_its_threads_are_reused_and_end_with_it() -> None:
    before = set(threading.enumerate())
    workers = ThreadWorkers()
    used = {await workers.run(threading.current_thread) for _ in range(5)}
    async with trio.open_nursery() as nursery:
        meet = threading.Barrier(3)
        for _ in range(3):
            nursery.start_soon(workers.run, meet.wait, 10)
    own = set(threading.enumerate()) - before
    assert len(used) == 1
    assert used <= own
    assert len(own) == 3
    del workers, nursery
    gc.collect()
    for thread in own:
        thread.join(10)
        assert not thread.is_alive()
