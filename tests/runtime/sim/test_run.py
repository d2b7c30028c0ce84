"""Runs of worlds: every verdict, and that a run depends on its seed and nothing else (DESIGN 7)."""

from __future__ import annotations

import gc
import sys
import weakref
from contextlib import suppress
from types import ModuleType

import pytest
import trio

from runtime.sim.choices import Choice, Choices, SeedChoices
from runtime.sim.cover import NothingShown
from runtime.sim.nemeses import Crash
from runtime.sim.report import Verdict
from runtime.sim.run import A_MONTH, replay, run, run_twice
from runtime.sim.tape_file import Tape
from runtime.sim.trace import Entry
from runtime.sim.violation import Violation
from tests.support.sim_home import package
from tests.support.worlds import echo, silent


async def one_question(w):
    node = await w.node("alice.nec", [echo])
    assert (await node.ask("echo", b"hi")).ipc == b"hi"


def test_a_test_that_passes():
    report = run(one_question, seed=3)
    assert report.verdict is Verdict.OK
    assert not report.is_failure
    assert report.last_line() == f"digest: {report.digest} seed: 3 verdict: ok"
    assert len(report.digest) == 64
    assert report.trace.entries


def test_a_seed_twice_is_the_same_run_and_other_seeds_are_not():
    first = run(one_question, seed=3)
    assert run(one_question, seed=3).digest == first.digest
    assert replay(one_question, first.tape, seed=3, strict=True).digest == first.digest
    tape = Tape("tests:one_question", 3, first.tape)
    assert replay(one_question, tape, strict=True).digest == first.digest
    assert len({run(one_question, seed=seed).digest for seed in range(4)}) == 4


def test_without_a_trace_there_is_no_digest_and_the_same_course():
    kept, bare = run(one_question, seed=3), run(one_question, seed=3, keep_trace=False)
    assert bare.verdict is Verdict.OK
    assert (bare.digest, bare.trace.entries) == ("", [])
    assert (bare.tape, bare.at, bare.trace.count) == (kept.tape, kept.at, kept.trace.count)


def test_an_assertion_is_a_violation():
    async def wrong(w):
        node = await w.node("alice.nec", [echo])
        assert (await node.ask("echo", b"hi")).ipc == b"ho", "no ho"

    report = run(wrong)
    assert report.verdict is Verdict.VIOLATED
    assert report.violation is not None
    assert report.violation.name == "assertion"
    assert "no ho" in report.violation.text
    assert report.error is not None
    assert report.error.__traceback__ is not None


def test_another_exception_is_an_error_also_from_a_task_beside_the_test():
    async def fails(w):
        await one_question(w)
        raise ZeroDivisionError

    async def fails_aside(w):
        async def fail():
            await trio.sleep(1)
            raise ZeroDivisionError

        await one_question(w)
        w.start_soon(fail)
        await w.sleep(5)

    for test in (fails, fails_aside):
        report = run(test)
        assert report.verdict is Verdict.ERROR
        assert isinstance(report.error, ZeroDivisionError)
    assert report.at == pytest.approx(1, abs=0.1)


def test_an_exception_beside_the_test_is_no_deadlock_while_a_node_stands_still():
    async def fails_aside(w):
        async def fail():
            await trio.sleep(1)
            raise ZeroDivisionError

        await one_question(w)
        w.nodes["alice.nec"].pause()
        w.start_soon(fail)
        await w.sleep(5)

    report = run(fails_aside)
    assert (report.verdict, report.waiting) == (Verdict.ERROR, ())
    assert isinstance(report.error, ZeroDivisionError)


def test_assertions_that_several_tasks_make_at_once_are_a_violation_and_a_mixture_is_an_error():
    async def fails(w, error):
        await one_question(w)
        go = trio.Event()

        async def fail(one):
            await go.wait()
            raise one

        async with trio.open_nursery() as nursery:
            nursery.start_soon(fail, AssertionError("one"))
            nursery.start_soon(fail, error)
            await trio.sleep(1)
            go.set()

    both = run(lambda w: fails(w, AssertionError("two")))
    assert both.violation is not None
    assert (both.verdict, both.violation.name) == (Verdict.VIOLATED, "assertion")
    assert both.violation.text in {"one", "two"}
    mixed = run(lambda w: fails(w, ZeroDivisionError()))
    assert (mixed.verdict, type(mixed.error)) == (Verdict.ERROR, ExceptionGroup)


def test_what_is_no_exception_goes_to_the_caller():
    async def stops(w):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(stops)
    assert run(one_question).verdict is Verdict.OK


def test_a_run_in_which_nobody_sent_anything_is_vacuous():
    async def boots(w):
        await w.node("alice.nec", [echo])

    assert run(boots).verdict is Verdict.VACUOUS


def test_a_violation_ends_the_run_in_that_step():
    async def goes_on(w):
        node = await w.node("alice.nec", [echo])

        def look(entry: Entry) -> None:
            if entry.event is not None and entry.event.message and entry.event.message.message.ipc == b"3":
                w.violate("no three", "there it is", [entry.number])
                w.violate("too late")

        w.watch(look)
        for number in range(10):
            await node.ask("echo", b"%d" % number)

    report = run(goes_on)
    assert report.verdict is Verdict.VIOLATED
    assert report.violation is not None
    assert (report.violation.name, report.violation.text) == ("no three", "there it is")
    (number,) = report.violation.entries
    assert report.trace.entries[number].node == "alice.nec"
    assert not any(
        b"4" in e.event.message.message.ipc for e in report.trace.entries if e.event and e.event.message
    )


def test_a_deadlock_says_who_waits_for_whom():
    async def waits(w):
        node = await w.node("alice.nec", [echo])
        await node.ask("echo", b"hi")
        await trio.sleep_forever()

    report = run(waits)
    assert report.verdict is Verdict.DEADLOCK
    assert "the test waits in waits" in report.waiting[0]
    assert "alice.nec@echo:world:sim" in report.waiting[-1]


def test_a_livelock_is_no_hang():
    async def spins(w):
        await one_question(w)
        while True:
            await trio.lowlevel.checkpoint()

    assert run(spins, most_steps=2000).verdict is Verdict.LIVELOCK


def test_a_bound_of_time_says_what_was_open():
    async def asks(w):
        node = await w.node("alice.nec", [silent])
        await node.ask("silent", b"well?", seconds=100)

    report = run(asks, until=10.0)
    assert report.verdict is Verdict.VIOLATED
    assert report.at == 10.0
    assert any("waits for alice.nec@silent:world:sim to answer b'well?'" in line for line in report.waiting)
    assert any("the test waits in asks" in line for line in report.waiting)


def test_who_waits_for_nothing_does_not_wait_for_the_bound_of_time():
    async def waits(w):
        await one_question(w)
        await w.sleep(5)
        await trio.sleep_forever()

    report = run(waits, until=10.0)
    assert (report.verdict, report.at) == (Verdict.DEADLOCK, 5.0)


def test_a_world_that_only_ticks_ends_after_a_month():
    ticked = []

    async def ticks(our):
        while True:
            await trio.sleep(3600)
            ticked.append(our)

    async def waits(w):
        await w.node("alice.nec", [ticks])
        await trio.sleep_forever()

    report = run(waits, keep_trace=False)
    assert (report.verdict, report.at) == (Verdict.VIOLATED, A_MONTH)
    assert len(ticked) == A_MONTH / 3600
    assert "the test waits in waits" in report.waiting[0]


def test_tasks_that_catch_everything_do_not_keep_a_world_from_ending():
    """What catches the end of its world is left behind."""

    async def stubborn(our):
        while True:
            with suppress(BaseException):
                await trio.sleep(1)

    async def shielded(our):
        with trio.CancelScope(shield=True):
            await trio.sleep_forever()

    async def asks(w):
        node = await w.node("alice.nec", [echo, stubborn, shielded])
        await node.ask("echo", b"hi")

    assert run(asks).verdict is Verdict.OK


class Fails:
    """A source of choices that ends, as Hypothesis does."""

    def __init__(self, after):
        self.left = after

    def draw(self, label, n):
        self.left -= 1
        if self.left < 0:
            raise EOFError
        return n - 1


def test_what_a_source_raises_stops_the_world_and_goes_to_the_caller():
    """DESIGN 7: a source never raises into the world."""
    with pytest.raises(EOFError):
        run(one_question, choices=Fails(0))
    with pytest.raises(EOFError):
        run(one_question, choices=Fails(1))
    assert run(one_question, choices=Fails(10_000)).verdict is Verdict.OK


def test_a_strict_tape_that_does_not_fit_is_noticed():
    report = replay(one_question, [Choice("weather", 3, 1)], strict=True)
    assert report.verdict is Verdict.NONDETERMINISTIC
    assert report.violation is not None
    assert "weather" in report.violation.text


def test_a_strict_tape_that_goes_on_after_the_end_is_noticed():
    tape = run(one_question, seed=3).tape
    report = replay(one_question, [*tape, Choice("weather", 3, 1), Choice("more", 2, 0)], seed=3, strict=True)
    assert report.verdict is Verdict.NONDETERMINISTIC
    assert report.violation is not None
    assert "the tape goes on with 'weather' (2 more)" in report.violation.text
    assert replay(one_question, [*tape, Choice("weather", 3, 1)], seed=3).verdict is Verdict.OK


def test_a_test_that_depends_on_what_was_before_is_nondeterministic():
    before = []

    async def counts(w):
        await one_question(w)
        before.append(None)
        w.say(f"run {len(before)}")

    assert run_twice(one_question).verdict is Verdict.OK
    assert run_twice(counts).verdict is Verdict.NONDETERMINISTIC


def test_choices_are_closed_once_a_run_is_over():
    choices = Choices(SeedChoices(1))
    choices.choose("a", 10)
    choices.close()
    assert (choices.choose("b", 10), len(choices.tape)) == (0, 1)


def test_what_must_have_happened_by_the_end_is_asked_at_the_end():
    asked = []

    def prepare(w):
        w.at_end(asked.append)
        w.at_end(lambda now: Violation("liveness", now, (), "it never came"))
        w.cover("goal")
        w.cover("goal")

    report = run(one_question, prepare=[prepare])
    assert report.verdict is Verdict.VIOLATED
    assert report.violation == Violation("liveness", report.at, (), "it never came")
    assert asked == [report.at]
    assert report.cover == {"goal": 2}


def test_a_test_may_say_that_its_run_showed_nothing():
    async def shows_nothing(w):
        await w.node("alice.nec", [echo])
        raise NothingShown("nobody asked")

    report = run(shows_nothing)
    assert report.verdict is Verdict.VACUOUS
    assert report.violation == Violation("nothing shown", 0.0, (), "nobody asked")


def test_modules_that_an_earlier_process_left_have_no_influence_and_are_there_again_afterwards():
    """A module of the same name would make the world's own one be called otherwise."""
    names = []
    left = ModuleType("<app:app:me>")

    async def looks(w):
        node = await w.node("alice.nec", [package(SAYS_ITS_NAME)])
        names.append((await node.ask("app:app:me")).ipc)

    assert run(looks).verdict is Verdict.OK
    sys.modules[left.__name__] = sys.modules[f"{left.__name__}.app"] = left
    try:
        assert run(looks).verdict is Verdict.OK
        assert sys.modules[left.__name__] is left
    finally:
        del sys.modules[left.__name__], sys.modules[f"{left.__name__}.app"]
    assert names[0] == names[1]


def test_a_world_leaves_the_collector_as_it_was():
    frozen = gc.get_freeze_count()
    assert run(one_question).verdict is Verdict.OK
    assert (gc.isenabled(), gc.get_freeze_count()) == (True, frozen)


def test_a_run_without_a_trace_leaves_nothing_of_its_world():
    """A search has not the memory for a thousand of them."""
    worlds = []

    async def asks(w):
        worlds.append(weakref.ref(w))
        await one_question(w)

    report = run(asks, keep_trace=False)
    assert report.verdict is Verdict.OK
    assert [world() for world in worlds] == [None]


def test_a_monitor_that_finds_the_same_again_and_again_ends_the_run_once():
    async def watched(w):
        w.watch(lambda entry: w.violate("lasting", "it is so"))
        await one_question(w)

    report = run(watched)
    assert report.violation is not None
    assert (report.verdict, report.violation.name) == (Verdict.VIOLATED, "lasting")


def test_faults_that_were_just_let_loose_end_with_the_others():
    async def heals(w):
        await one_question(w)
        w.nemesis(Crash(every=1.0))
        await w.heal()
        await w.sleep(60)
        assert w.storm.faults == []

    for seed in range(4):
        report = run(heals, seed=seed)
        assert report.verdict is Verdict.OK, (report.violation, report.error)


def test_a_sender_that_stands_still_owes_nothing_yet():
    async def stands(w):
        alice, bob = await w.node("alice.nec", [echo]), await w.node("bob.nec", [echo])
        assert (await alice.ask(bob.address("echo"), b"hi")).ipc == b"hi"
        w.net.partition({"alice.nec"}, {"bob.nec"})
        await alice.send(bob.address("echo"), b"lost")
        alice.pause()
        await w.sleep(400)

    report = run(stands)
    assert report.verdict is Verdict.OK, (report.violation, report.error)


SAYS_ITS_NAME = """
from userland.process_lib import Response, SendError, await_message

async def init(our):
    while True:
        try:
            await await_message()
            Response().ipc(__name__.encode()).send()
        except SendError:
            pass
"""
