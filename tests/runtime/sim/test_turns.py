"""The order of tasks in a world: a choice, with nothing held back by 0."""

from __future__ import annotations

from math import factorial

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from runtime.sim.choices import Choice, Choices, SeedChoices, TapeChoices
from runtime.sim.scheduler import WorldLoop, scheduled_by
from runtime.sim.turns import Stuck, Turns, owner, permute


@pytest.mark.parametrize("count", range(6))
def test_every_order_has_one_number_and_0_keeps_it(count):
    orders = []
    for number in range(factorial(count)):
        items = list(range(count))
        permute(items, number)
        orders.append(tuple(items))
    assert orders[0] == tuple(range(count))
    assert len(set(orders)) == factorial(count)


@given(st.lists(st.integers(), max_size=30, unique=True), st.integers(0, 2**32))
def test_nothing_is_lost_by_another_order(items, number):
    moved = list(items)
    permute(moved, number)
    assert sorted(moved) == sorted(items)


class Small:
    """A loop with turns of its own; what stops it is in `stuck`."""

    def __init__(self, source, most_steps=1000):
        self.choices = Choices(source)
        self.loop = WorldLoop()
        self.stuck: list[Stuck] = []
        self.scope = trio.CancelScope()
        self.turns = Turns(self.choices, self.loop, self._stop, most_steps=most_steps)

    def _stop(self, why):
        self.stuck.append(why)
        self.turns.end()
        self.scope.cancel()

    def run(self, main):
        async def scoped():
            with self.scope:
                await main()

        with scheduled_by(self.turns):
            trio.run(scoped, clock=self.loop.clock)


def walk(source, tasks=5):
    """The order in which these tasks take three steps each, and the tape."""
    small, steps = Small(source), []

    async def step(number):
        for _ in range(3):
            steps.append(number)
            await trio.lowlevel.checkpoint()

    async def main():
        async with trio.open_nursery() as nursery:
            for number in range(tasks):
                nursery.start_soon(step, number)

    small.run(main)
    return steps, small.choices.tape


def test_the_harmless_order_is_that_of_age():
    steps, _ = walk(TapeChoices([]))
    assert steps == list(range(5)) * 3


def test_a_seed_orders_tasks_and_its_tape_orders_them_again():
    walks = [walk(SeedChoices(seed)) for seed in range(8)]
    assert len({tuple(steps) for steps, _ in walks}) > 3
    for steps, tape in walks:
        assert walk(TapeChoices(tape, strict=True)) == (steps, tape)


def test_a_run_that_drew_no_disorder_asks_nothing_else():
    _, tape = walk(TapeChoices([Choice("turns out of order", 4, 0)]))
    assert [choice.label for choice in tape] == ["turns out of order"]


def test_a_held_task_gets_no_turn_and_then_all_that_was_due():
    small, log = Small(TapeChoices([])), []

    async def tick(name):
        owner.set(name)
        for _ in range(4):
            await trio.sleep(1)
            log.append((name, trio.current_time()))

    async def main():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(tick, "a")
            nursery.start_soon(tick, "b")
            await trio.sleep(1.5)
            small.turns.hold("a")
            small.turns.hold("a")
            await trio.sleep(2)
            small.turns.let_go("a")

    small.run(main)
    assert [at for name, at in log if name == "a"] == [1.0, 3.5, 4.5, 5.5]
    assert [at for name, at in log if name == "b"] == [1.0, 2.0, 3.0, 4.0]
    assert not small.stuck


def test_a_loop_in_which_everybody_waits_for_ever_is_a_deadlock():
    small = Small(TapeChoices([]))

    async def main():
        await trio.sleep(5)
        await trio.sleep_forever()

    small.run(main)
    assert small.stuck == [Stuck.DEADLOCK]
    assert small.loop.now() == 5.0


def test_a_loop_in_which_time_stands_still_is_a_livelock():
    small = Small(TapeChoices([]), most_steps=100)

    async def main():
        while True:
            await trio.lowlevel.checkpoint()

    small.run(main)
    assert small.stuck == [Stuck.LIVELOCK]


def test_many_steps_while_time_passes_are_none():
    small = Small(TapeChoices([]), most_steps=100)

    async def main():
        for _ in range(300):
            await trio.sleep(0.001)

    small.run(main)
    assert not small.stuck
