"""What every Chance does, the system's and the seeded one."""

from __future__ import annotations

import pytest

from kernel.ports import Chance
from runtime.chance import SystemChance
from runtime.sim.chance import SeededChance


@pytest.fixture(params=["system", "seeded"])
def chance(request: pytest.FixtureRequest) -> Chance:
    return SystemChance() if request.param == "system" else SeededChance(5)


@pytest.mark.parametrize("n", [0, 1, 7, 64, 128])
def test_bits_stay_in_their_range_and_use_it(chance: Chance, n: int) -> None:
    draws = [chance.bits("id", n) for _ in range(200)]
    assert all(0 <= draw < 2**n for draw in draws)
    assert n == 0 or any(draw >> (n - 1) for draw in draws)


def test_wide_draws_do_not_repeat(chance: Chance) -> None:
    assert len({chance.bits("id", 64) for _ in range(1000)}) == 1000


@pytest.mark.parametrize("n", [0, 12, 32])
def test_secrets_have_the_length_asked_for_and_differ(chance: Chance, n: int) -> None:
    first, second = chance.secret("key", n), chance.secret("key", n)
    assert len(first) == len(second) == n
    assert n == 0 or first != second


def test_generators_differ_from_each_other(chance: Chance) -> None:
    assert chance.generator("a").random() != chance.generator("a").random()


def draw(chance: Chance) -> list[object]:
    return [
        chance.bits("id", 64),
        chance.secret("key", 8),
        chance.generator("g").random(),
        chance.bits("id", 3),
    ]


def test_one_seed_repeats_its_draws_and_another_does_not() -> None:
    assert draw(SeededChance(1)) == draw(SeededChance(1))
    assert draw(SeededChance(1)) != draw(SeededChance(2))


def test_two_nodes_on_one_machine_draw_differently() -> None:
    assert draw(SystemChance()) != draw(SystemChance())
