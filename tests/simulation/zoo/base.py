"""What the workloads of the zoo share: how long faults last, and what has to be so when they are over."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from kernel.events import EventKind
from kernel.message import SendError
from runtime.sim.check import Checked, all_of
from runtime.sim.crossings import CARRY_SECONDS
from runtime.sim.faults import Faults
from runtime.sim.mover import NodeDown
from runtime.sim.properties import matching
from runtime.sim.world import World

STORM_SECONDS = 30.0
"""Virtual seconds in which anything may go wrong; a workload works all the while."""
STORM = Faults.swarm(seconds=STORM_SECONDS)
CALM_SECONDS = 150.0
"""By then everybody reaches everybody again: a node that was turned away rests for a minute."""
RETRY_SECONDS = 1.0


def watch_actors(w: World) -> None:
    """None of the workload's own processes crashes: whatever comes, they know what to do."""
    w.never("a process crashed", matching(EventKind.EXITED, note="CRASH"))


async def outlast(w: World) -> None:
    """Until the storm is over and everything is as it should be."""
    await w.sleep(max(0.0, STORM_SECONDS - w.now))
    await w.heal()


async def in_the_end(w: World, what: str, attempt: Callable[[], Awaitable[object]]) -> object:
    """What the attempt gives, which may fail for a while: everything was healed a moment ago."""
    began, why = w.now, "it was not tried"
    while w.now <= began + CALM_SECONDS:
        try:
            return await attempt()
        except (SendError, NodeDown) as error:
            why = str(error)
        await w.sleep(RETRY_SECONDS)
    raise AssertionError(f"{what} still fails: {why}")


async def run_out(w: World) -> None:
    """Until whatever is still under way must have come to its end; the kernel's laws say so if it has not."""
    await w.sleep(CARRY_SECONDS + 1.0)


def judge(w: World, *found: Checked) -> None:
    """The run is violated by the first that is wrong."""
    first = all_of(*found)
    if first.valid is False:
        w.violate("history", first.text)
