"""The seeded scheduler: one seed, one order."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
import trio
from trio._core import _run

from runtime.sim.chance import SeededChance
from runtime.sim.listener import MemoryListener
from runtime.sim.scheduler import SchedulerChanged, run_deterministic, seeded_scheduler, self_test
from runtime.sim.store import MemoryStore
from runtime.sim.turns import Turns
from runtime.sim.workers import InlineWorkers, drawn_pause


def test_this_trio_can_be_seeded() -> None:
    self_test()


def test_trio_gets_its_own_scheduler_back_even_after_a_failure() -> None:
    before = _run._r, _run._ALLOW_DETERMINISTIC_SCHEDULING
    with seeded_scheduler(1):
        assert _run._r is not before[0]
    with pytest.raises(ZeroDivisionError), seeded_scheduler(1):
        raise ZeroDivisionError
    assert (_run._r, _run._ALLOW_DETERMINISTIC_SCHEDULING) == before


@pytest.mark.parametrize("name", ["_r", "_ALLOW_DETERMINISTIC_SCHEDULING"])
def test_a_trio_without_the_private_names_is_noticed(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.delattr(_run, name)
    with pytest.raises(SchedulerChanged, match=name):
        self_test()
    with pytest.raises(SchedulerChanged, match=name), seeded_scheduler(1):
        raise AssertionError


def test_a_trio_that_no_longer_shuffles_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random.Random, "shuffle", lambda _self, _tasks: None)
    with pytest.raises(SchedulerChanged, match="the same order"):
        self_test()


def test_time_is_virtual() -> None:
    async def nap() -> float:
        start = trio.current_time()
        await trio.sleep(86_400)
        return trio.current_time() - start

    assert run_deterministic(nap, seed=1) == pytest.approx(86_400)


async def busy_world(seed: int) -> str:
    """Clients, servers, a store and drawn delays; the digest of the order in which all that happened."""
    chance = SeededChance(seed)
    pause = drawn_pause(chance, "disk", 0.01)
    store, workers = MemoryStore(pause), InlineWorkers(pause)
    listener = MemoryListener(chance=chance, capacity=16)
    log: list[str] = []

    async def serve() -> None:
        stream = await listener.accept()
        while chunk := await stream.receive_some():
            log.append(f"got {chunk!r}")
            await store.flush()
            await stream.send_all(chunk)
        await stream.send_eof()

    async def ask(number: int) -> None:
        stream = listener.connect()
        await stream.send_all(b"%d" % number * 10)
        await stream.send_eof()
        while chunk := await stream.receive_some():
            log.append(f"{number} heard {chunk!r} at {trio.current_time():.6f}")
            await workers.run(log.append, f"{number} worked")

    async with trio.open_nursery() as nursery:
        for number in range(6):
            nursery.start_soon(ask, number)
            nursery.start_soon(serve)
    return hashlib.sha256("\n".join(log).encode()).hexdigest()


def test_a_world_of_devices_repeats_for_a_seed_and_differs_for_another() -> None:
    first = run_deterministic(busy_world, 3, seed=3)
    assert run_deterministic(busy_world, 3, seed=3) == first
    assert run_deterministic(busy_world, 4, seed=4) != first


AGAIN = """
from runtime.sim.scheduler import run_deterministic
from tests.runtime.sim.test_scheduler import busy_world
print(run_deterministic(busy_world, 3, seed=3))
"""


def test_a_world_repeats_in_a_new_process_with_another_hash_seed() -> None:
    here = run_deterministic(busy_world, 3, seed=3)
    there = subprocess.run(
        [sys.executable, "-c", AGAIN],
        cwd=Path(__file__).parents[3],
        env={**os.environ, "PYTHONHASHSEED": "12345"},
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
    )
    assert there.stdout.strip() == here


def test_a_trio_whose_batches_cannot_be_changed_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Turns, "_keep", lambda _self, _task: False)
    with pytest.raises(SchedulerChanged, match="held"):
        self_test()
