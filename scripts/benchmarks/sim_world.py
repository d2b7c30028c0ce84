"""`python -m scripts.benchmarks.sim_world WORK COUNT [traced]`: how fast simulated worlds are; prints a JSON line."""

from __future__ import annotations

import argparse
import json
import os
import time
from contextlib import suppress

from kernel.address import Address
from kernel.message import Request, Response, SendError
from kernel.syscalls import Syscalls, current
from runtime.sim.explore import SeededRun, explore
from runtime.sim.faults import Faults
from runtime.sim.mover import NodeDown
from runtime.sim.report import Verdict
from runtime.sim.run import run
from runtime.sim.world import World

NAMES = ("alice.nec", "bob.nec", "carol.nec")
LATER = 10**9
"""Steps at one instant: all of a round trip in one node happens at the same."""


async def pong(our: Address) -> None:
    del our
    calls = current()
    while True:
        await calls.receive()
        calls.send_response(Response(ipc=b"pong"))


def ping_pong(nodes: int, count: int, *, traced: bool) -> float:
    """Seconds for so many messages, half of them answers, between two processes in one node or in two."""
    spent = 0.0

    async def test(world: World) -> None:
        nonlocal spent
        booted = [await world.node(name, [pong]) for name in NAMES[:nodes]]
        target = booted[-1].address("pong")
        await booted[0].ask(target)

        async def ask_all(calls: Syscalls) -> None:
            request = Request(expects_response=60, ipc=b"ping")
            for _ in range(count // 2):
                assert (await calls.send_and_await_response(target, request)).ipc == b"pong"

        begun = time.process_time()
        await booted[0].act(ask_all)
        spent = time.process_time() - begun

    report = run(test, keep_trace=traced, most_steps=LATER)
    assert report.verdict is Verdict.OK, report
    return spent


async def talk(world: World) -> None:
    """What a search looks for failures in: three nodes, and a hundred questions across faulty links."""
    booted = [await world.node(name, [pong]) for name in NAMES]
    for number in range(100):
        asker, asked = booted[number % 3], booted[(number + 1) % 3]
        with suppress(SendError, NodeDown):
            await asker.ask(asked.address("pong"), seconds=5)


def search(jobs: int, seeds: int) -> float:
    """Seconds of the wall clock for so many seeds, so many of them at a time, on all cores of the machine."""
    os.sched_setaffinity(0, range(os.cpu_count() or 1))
    attempt = SeededRun.of(talk, run, faults=Faults.swarm(), keep_trace=False)
    return explore(attempt, range(seeds), jobs=jobs, stop_at_first=False).seconds


def start_and_stop(nodes: int, count: int) -> float:
    """Seconds for so many worlds with so many nodes each."""

    async def test(world: World) -> None:
        for name in NAMES[:nodes]:
            await world.node(name)

    run(test, keep_trace=False)
    begun = time.process_time()
    for seed in range(count):
        assert run(test, seed=seed, keep_trace=False).verdict is Verdict.VACUOUS
    return time.process_time() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", choices=["inside", "across", "three", "none", "search", "together"])
    parser.add_argument("count", type=int)
    parser.add_argument("traced", nargs="?", choices=["traced"])
    chosen = parser.parse_args()
    traced = chosen.traced is not None
    match chosen.work:
        case "inside":
            seconds = ping_pong(1, chosen.count, traced=traced)
        case "across":
            seconds = ping_pong(2, chosen.count, traced=traced)
        case "search":
            seconds = search(1, chosen.count)
        case "together":
            seconds = search(2, chosen.count)
        case "three":
            seconds = start_and_stop(3, chosen.count)
        case _:
            seconds = start_and_stop(0, chosen.count)
    notes = {"rate": chosen.count / seconds, "ms": 1000 * seconds / chosen.count}
    print(json.dumps({"count": chosen.count, "seconds": seconds, "notes": notes}))


if __name__ == "__main__":
    main()
