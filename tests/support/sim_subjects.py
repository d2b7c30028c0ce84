"""Tests of a world for the tests of `nectar sim`: one for each way in which a run can end."""

from __future__ import annotations

from itertools import count

import trio

from runtime.sim.faults import Faults
from runtime.sim.testing import sim_test
from runtime.sim.world import World
from tests.support.worlds import echo

_RUNS = count()


async def _asked(w: World) -> None:
    node = await w.node("alice.nec", [echo])
    assert (await node.ask("echo", b"hello")).ipc == b"hello"


async def goes_well(w: World) -> None:
    await _asked(w)
    w.cover("asked")


async def fails_sometimes(w: World) -> None:
    """When both of two choices among many are bad ones."""
    await _asked(w)
    lost = [w.choices.happens("lost packet", 0.5) for _ in range(4)]
    late = w.choices.choose("late", 5)
    if sum(lost) >= 2 and late:
        w.violate("both", f"{sum(lost)} lost, {late} late")
        await trio.sleep_forever()


async def breaks_an_assertion(w: World) -> None:
    await _asked(w)
    assert w.now > 1000, "it is too early"


async def raises(w: World) -> None:
    await _asked(w)
    raise LookupError("nobody home")


async def does_nothing(w: World) -> None:
    await w.node("alice.nec")


async def differs(w: World) -> None:
    """It knows how often it has been run."""
    await _asked(w)
    w.choices.choose("course", 2 + next(_RUNS))


async def waits_for_ever(w: World) -> None:
    await _asked(w)
    await trio.Event().wait()


async def spins(w: World) -> None:
    await _asked(w)
    while True:
        await trio.lowlevel.checkpoint()


async def takes_long(w: World) -> None:
    await _asked(w)
    await w.sleep(100)


@sim_test(seeds=1, until=50.0, faults=Faults.none())
async def limited(w: World) -> None:
    await takes_long(w)


async def takes_more(w: World, more: int) -> None:
    raise AssertionError(more)


def is_plain(w: World) -> None:
    raise AssertionError(w)
