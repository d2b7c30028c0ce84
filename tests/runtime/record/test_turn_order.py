"""Tasks that become ready together run in that order; a new trio that draws otherwise is noticed here."""

from __future__ import annotations

import random

import trio
from trio._core import _run as trio_run

from runtime.record.turn_order import first_come_first_run


async def woken_together() -> list[int]:
    order: list[int] = []
    lot = trio.lowlevel.ParkingLot()

    async def walk(number: int) -> None:
        await lot.park()
        order.append(number)
        await trio.lowlevel.checkpoint()
        order.append(number)

    async with trio.open_nursery() as nursery:
        for number in range(5):
            nursery.start_soon(walk, number)
            await trio.testing.wait_all_tasks_blocked()
        lot.unpark_all()
    return order


def test_who_became_ready_first_runs_first():
    for _ in range(10):
        with first_come_first_run():
            assert trio.run(woken_together) == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4]


def test_trio_draws_again_afterwards():
    before = trio_run._r
    with first_come_first_run():
        assert trio_run._r is not before
    assert trio_run._r is before


def test_a_trio_without_that_draw_is_left_alone(monkeypatch):
    monkeypatch.setattr(trio_run, "_r", None)
    with first_come_first_run():
        assert trio_run._r is None
    monkeypatch.undo()
    assert isinstance(trio_run._r, random.Random)
