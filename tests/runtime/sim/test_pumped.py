"""Worlds that are given their test step by step."""

from __future__ import annotations

import pytest
import trio

from runtime.sim.choices import SeedChoices, TapeChoices
from runtime.sim.pumped import PumpedWorld, WorldOver
from runtime.sim.report import Verdict
from runtime.sim.run import run
from runtime.sim.world import World
from tests.support.worlds import echo, silent


async def boot(w: World) -> None:
    await w.node("alice.nec", [echo, silent])


async def ask(w: World) -> bytes:
    return (await w.nodes["alice.nec"].ask("echo", b"hi")).ipc


def test_steps_are_of_one_world_that_stands_still_between_them():
    pumped = PumpedWorld(SeedChoices(3), seed=3)
    pumped.run(boot)
    assert pumped.run(ask) == b"hi"
    before = pumped.run(lambda w: w.now)
    pumped.run(lambda w: w.sleep(5))
    assert pumped.run(lambda w: w.now) == before + 5
    assert pumped.world.nodes["alice.nec"].is_up
    report = pumped.finish()
    assert (report.verdict, report.seed) == (Verdict.OK, 3)
    assert not trio.lowlevel.in_trio_run()


def test_the_same_steps_and_tape_are_the_same_run():
    def course(source):
        pumped = PumpedWorld(source, seed=1)
        pumped.run(boot)
        for _ in range(3):
            pumped.run(ask)
        return pumped.finish()

    first = course(SeedChoices(1))
    assert course(TapeChoices(first.tape, strict=True)).digest == first.digest


def test_other_worlds_run_before_and_after_one():
    async def whole(w):
        await boot(w)
        await ask(w)

    before = run(whole)
    pumped = PumpedWorld(SeedChoices(0))
    pumped.run(boot)
    with pytest.raises(RuntimeError, match="trio runs already"):
        run(whole)
    pumped.abandon()
    assert run(whole).digest == before.digest


def test_an_error_of_a_step_ends_the_world():
    pumped = PumpedWorld(SeedChoices(0))
    pumped.run(boot)

    async def wrong(w):
        assert await ask(w) == b"ho", "no ho"

    with pytest.raises(WorldOver, match="verdict: violated"):
        pumped.run(wrong)
    with pytest.raises(WorldOver):
        pumped.run(ask)
    report = pumped.finish()
    assert report is pumped.report
    assert report.violation is not None
    assert "no ho" in report.violation.text


def test_a_violation_in_the_midst_of_a_step_ends_it():
    pumped = PumpedWorld(SeedChoices(0))
    pumped.run(boot)
    pumped.run(lambda w: w.never("late", lambda: w.now > 2))

    async def goes_on(w):
        while True:
            await ask(w)
            await w.sleep(1)

    with pytest.raises(WorldOver):
        pumped.run(goes_on)
    report = pumped.finish()
    assert report.violation is not None
    assert (report.violation.name, round(report.at)) == ("late", 3)


def test_what_passes_goes_to_the_giver_and_the_world_lives_on():
    class NotNow(Exception): ...

    pumped = PumpedWorld(SeedChoices(0), passing=(NotNow,))

    async def passes(w):
        async with trio.open_nursery():
            raise NotNow

    def stops(w):
        raise KeyboardInterrupt

    with pytest.raises(NotNow):
        pumped.run(passes)
    with pytest.raises(KeyboardInterrupt):
        pumped.run(stops)
    pumped.run(boot)
    assert pumped.run(ask) == b"hi"
    assert pumped.finish().verdict is Verdict.OK


def test_a_step_in_a_step_is_refused():
    pumped = PumpedWorld(SeedChoices(0))
    with pytest.raises(WorldOver):
        pumped.run(lambda w: pumped.run(boot))
    error = pumped.finish().error
    assert isinstance(error, RuntimeError)
    assert "a step of the world already" in str(error)


def test_a_step_that_waits_for_nothing_is_a_deadlock():
    async def waits(w):
        await trio.sleep_forever()

    pumped = PumpedWorld(SeedChoices(0))
    with pytest.raises(WorldOver):
        pumped.run(waits)
    assert pumped.finish().verdict is Verdict.DEADLOCK


def test_properties_are_asked_at_the_end_and_not_of_a_world_that_is_abandoned():
    for finish in (True, False):
        pumped = PumpedWorld(SeedChoices(0))
        pumped.run(boot)
        pumped.run(lambda w: w.eventually("never", lambda: False))
        if finish:
            report = pumped.finish()
            assert report.violation is not None
            assert report.violation.name == "never"
        else:
            pumped.abandon()
            pumped.abandon()


def test_a_source_that_fails_ends_the_world_and_is_raised_at_its_end():
    class Empty:
        def draw(self, label, n):
            raise LookupError(label)

    pumped = PumpedWorld(Empty())
    with pytest.raises(WorldOver):
        pumped.run(boot)
    with pytest.raises(LookupError):
        pumped.finish()
