"""Who holds the event loop is named."""

from __future__ import annotations

import queue
import sys
import threading
import time
from pathlib import Path

import pytest
import trio

from runtime.watchdog import HELD_SECONDS, Watchdog, describe
from tests.support.live_node import Person, write_package

HOLDING = """
import time
import trio
from userland.process_lib import *

def work():
    time.sleep(0.6)

async def child():
    work()

async def init(our):
    while True:
        message = await await_message()
        if message.ipc == b"child":
            start_soon(child)
        elif message.ipc == b"thread":
            await trio.to_thread.run_sync(work)
        else:
            work()
        Response().ipc(b"done").send()
"""
APP = "app:app:me"


@pytest.mark.real_clock
async def test_a_held_loop_is_reported_once_and_again_when_it_is_held_again():
    reports: queue.Queue[str] = queue.Queue()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Watchdog(reports.put).run)
        for _ in range(2):
            await trio.sleep(0.05)
            text = _hold_until_reported(reports)
            assert text.startswith(f"the event loop is held for more than {HELD_SECONDS * 1000:.0f} ms at ")
            # Still held: said once is enough.
            with pytest.raises(queue.Empty):
                reports.get(timeout=3 * HELD_SECONDS)
        nursery.cancel_scope.cancel()


def _hold_until_reported(reports: queue.Queue[str]) -> str:
    return reports.get(timeout=10)


@pytest.mark.real_clock
async def test_its_thread_ends_with_it():
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Watchdog(print).run)
        await trio.testing.wait_all_tasks_blocked()
        names = [thread.name for thread in threading.enumerate()]
        assert names.count("nectar watchdog") == 1
        nursery.cancel_scope.cancel()
    for thread in threading.enumerate():
        if thread.name == "nectar watchdog":
            thread.join(10)
            assert not thread.is_alive()


def test_what_runs_in_no_process_is_described_by_its_place():
    assert describe(None) == "the event loop is held for more than 250 ms at ?"
    here = describe(sys._getframe())
    assert here.endswith(f"{__file__}:{sys._getframe().f_lineno - 1}")


def test_the_process_that_holds_the_loop_is_named_with_its_line(tmp_path: Path):
    """In its main task and in its children; work in a thread holds nobody."""
    person = Person(tmp_path)
    with person.dev(write_package(tmp_path / "app", HOLDING)) as node:
        line = 1 + HOLDING.splitlines().index("    time.sleep(0.6)")
        for number, ipc in enumerate(("main", "child"), 1):
            node.send(APP, ipc)
            node.wait_logged(
                f"{APP} holds the event loop for more than 250 ms at /app:me/pkg/app.py:{line}", number
            )
        before = node.process.err
        began = time.monotonic()
        node.send(APP, "thread")
        assert time.monotonic() - began > HELD_SECONDS
        assert APP not in node.process.err[len(before) :]
