"""Whole worlds: the same seed gives the same events, in this process, in a new one, whatever ran before (DESIGN 7)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kernel.message import SendError
from runtime.sim.report import Report, Verdict
from runtime.sim.run import replay, run
from runtime.sim.trace import WorldKind
from runtime.sim.world import World
from tests.support.sim_home import package
from tests.support.worlds import KEEPER, echo

ROOT = Path(__file__).parents[2]
ECHO = ROOT / "userland" / "apps" / "echo"
ECHO_ID = "echo:echo:nectar"
KEEPER_ID = "keeper:keeper:me"


async def two_nodes(w: World) -> None:
    """The echo app on both, a process that keeps what it hears, and one crash while many ask."""
    keeper = package(KEEPER, name="keeper", request_networking=True)
    alice = await w.node("alice.nec", [ECHO, echo])
    bob = await w.node("bob.nec", [ECHO, echo, keeper])
    answers: list[bytes] = []
    lost: list[SendError] = []

    async def ask(number: int) -> None:
        try:
            said = await alice.ask(bob.address("echo"), b"%d" % number, seconds=10)
            kept = await alice.ask(bob.address(KEEPER_ID), b"%d," % number, seconds=10)
            answers.append(kept.ipc)
            assert said.ipc == b"%d" % number
        except SendError as error:
            lost.append(error)

    assert (await alice.ask(ECHO_ID, b'{"Echo":"hi"}')).ipc
    for number in range(10):
        w.start_soon(ask, number)
        await w.sleep(w.choices.among("pause", 0.0, 0.01))
        if number == 4:
            bob.crash()
            await w.sleep(0.5)
            await bob.restart()
    await w.until(lambda: len(answers) + len(lost) == 10)
    assert lost or answers
    assert answers
    # What was acknowledged was flushed first, so the crash did not take it.
    kept = (await bob.ask(KEEPER_ID, b"?")).ipc
    assert kept.startswith(max(answers, key=len))
    await w.settle()


def course(seed: int) -> Report:
    report = run(two_nodes, seed=seed)
    if report.error is not None:
        raise report.error
    assert report.verdict is Verdict.OK, report.waiting
    return report


@pytest.mark.parametrize("seed", range(6))
def test_a_world_holds_and_its_tape_replays_it(seed: int) -> None:
    report = course(seed)
    again = replay(two_nodes, report.tape, seed=seed, strict=True)
    assert again.digest == report.digest
    assert [entry.line() for entry in again.trace.entries] == [entry.line() for entry in report.trace.entries]
    kinds = [entry.kind for entry in report.trace.entries if isinstance(entry.kind, WorldKind)]
    assert kinds == [WorldKind.BOOTED, WorldKind.BOOTED, WorldKind.CRASHED, WorldKind.BOOTED]


AGAIN = """
from tests.simulation.test_worlds import course
print(*(course(seed).digest for seed in (2, 1)))
"""


@pytest.mark.parametrize("hash_seed", ["0", "1", "31337"])
def test_a_new_process_with_another_hash_seed_sees_the_same_events(hash_seed: str) -> None:
    """P79: the first world of a process is like every later one."""
    there = subprocess.run(
        [sys.executable, "-c", AGAIN],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert there.stdout.split() == [course(2).digest, course(1).digest]
