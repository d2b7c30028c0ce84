"""Threads for blocking work."""

from __future__ import annotations

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
