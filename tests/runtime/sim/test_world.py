"""What a test does with its world: nodes that know each other, waiting, and watching."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType, ModuleType

import pytest

from kernel.events import EventKind
from kernel.kernel import BadNodeName
from runtime.node import PackageRefused
from runtime.sim.choices import Choice, TapeChoices
from runtime.sim.properties import matching
from runtime.sim.report import Verdict
from runtime.sim.run import run
from runtime.sim.trace import WorldKind
from runtime.sim.wires import LinkSettings
from runtime.sim.world import TookTooLong
from tests.support.sim_home import package
from tests.support.worlds import KEEPER, echo, passes, silent


def test_every_node_reaches_every_other():
    async def asks(w):
        nodes = [await w.node(f"n{number}.nec", [echo]) for number in range(4)]
        assert list(w.nodes) == [node.name for node in nodes]
        for one in nodes:
            for other in nodes:
                assert (await one.ask(other.address("echo"), b"hi")).ipc == b"hi"

    passes(asks)


def test_a_name_is_taken_once_and_must_be_one():
    async def boots(w):
        node = await w.node("alice.nec", [echo])
        with pytest.raises(ValueError, match="restart"):
            await w.node("alice.nec")
        with pytest.raises(RuntimeError, match="runs already"):
            await node.start_up()
        with pytest.raises(BadNodeName):
            await w.node("our")
        with pytest.raises(PackageRefused):
            await w.node("bob.nec", [package("def init(): pass")])
        await node.ask("echo")

    passes(boots)


def test_a_node_that_was_refused_can_be_booted_otherwise():
    async def boots(w):
        with pytest.raises(PackageRefused):
            await w.node("bob.nec", [package("syntax error")])
        node = await w.node("bob.nec", [package(KEEPER, name="keeper")])
        await node.ask("keeper:keeper:me", b"a")

    passes(boots)


def test_until_returns_in_the_step_in_which_it_holds():
    async def waits(w):
        node = await w.node("alice.nec", [echo])
        monitors = list(w.trace.monitors)
        w.start_soon(node.ask, "echo", b"hi")
        await w.until(lambda: any(e.event and e.event.message for e in w.trace.entries))
        assert w.now < 0.05
        await w.until(lambda: w.now > 30)
        assert 30 < w.now < 30.2
        assert w.trace.monitors == monitors

    passes(waits)


def test_until_gives_up_and_says_who_waits():
    async def waits(w):
        node = await w.node("alice.nec", [silent])
        w.start_soon(ask_forever, node)
        with pytest.raises(TookTooLong, match=r"within 5 s(.|\n)*waits for alice.nec@silent"):
            await w.until(lambda: False, timeout=5)

    async def ask_forever(node):
        await node.ask("silent", b"?", seconds=10**6)

    passes(waits)


def test_a_world_has_settled_when_no_message_is_under_way():
    async def settles(w):
        alice, bob = await w.node("alice.nec", [silent]), await w.node("bob.nec", [echo])
        await alice.send(bob.address("echo"), b"1", seconds=10)
        await w.settle()
        (answer,) = alice.heard
        assert answer.ipc == b"1"
        await alice.send("silent", b"2", seconds=10)
        with pytest.raises(TookTooLong, match="silent"):
            await w.settle(limit=5)
        await w.settle()
        assert len(alice.heard) == 2

    passes(settles)


def test_a_message_that_was_lost_is_under_way_until_it_arrives_or_comes_back():
    async def settles(w):
        alice, bob = await w.node("alice.nec"), await w.node("bob.nec", [silent])
        await alice.send(bob.address("silent"))
        await w.settle()
        w.cover.when("ended", matching(EventKind.RETURNED, node="alice.nec", ipc=b"again"))
        w.cover.when("ended", matching(EventKind.TAKEN, node="bob.nec", ipc=b"again"))
        with w.net.worsen(LinkSettings(loss=1.0), [("alice.nec", "bob.nec")]):
            await alice.send(bob.address("silent"), b"again")
            await w.sleep(0.5)
        await w.settle()

    assert passes(settles).cover["ended"] == 1


@pytest.mark.parametrize("gone", ["parted", "down"])
def test_what_cannot_arrive_keeps_no_world_from_settling(gone):
    async def settles(w):
        alice, bob = await w.node("alice.nec"), await w.node("bob.nec", [silent])
        await alice.send(bob.address("silent"))
        await w.settle()
        if gone == "parted":
            w.net.partition("alice.nec", "bob.nec", oneway=True)
        else:
            bob.crash()
        await alice.send(bob.address("silent"), b"lost")
        await w.settle(limit=5)

    passes(settles)


def test_a_paused_node_keeps_no_world_from_settling():
    async def settles(w):
        alice = await w.node("alice.nec", [echo])
        await alice.ask("echo")
        await alice.send("echo", b"1")
        alice.pause()
        await w.settle(limit=5)

    passes(settles)


def test_what_the_test_says_is_in_the_trace_and_monitors_see_it():
    seen = []

    async def says(w):
        node = await w.node("alice.nec", [echo])
        await node.ask("echo")
        w.watch(lambda entry: seen.append(entry.note))
        w.say("now", "alice.nec")

    report = passes(says)
    assert seen == ["now"]
    assert report.trace.entries[-1].kind is WorldKind.SPOKE


def test_a_pause_of_a_device_is_a_choice_and_0_is_none():
    async def pauses(w):
        before = w.now
        await w.pause("disk", 2.0)()
        assert 0.0 <= w.now - before <= 2.0
        w.say(f"{w.now}")

    report = run(pauses, seed=5)
    assert [choice.label for choice in report.tape].count("disk") == 1


CLOCK = """
import time
from userland.process_lib import Response, await_message

async def init(our):
    while True:
        await await_message()
        Response().ipc(str(time.time()).encode()).send()
"""


class Frozen:
    """A guard in whose world it is always noon."""

    builtins: Mapping[str, object] = MappingProxyType({})

    def module(self, name):
        if name != "time":
            return None
        noon = ModuleType("time")
        vars(noon)["time"] = lambda: 12.0
        return noon


def test_the_guard_of_a_world_decides_what_packages_see():
    async def asks(w):
        w.guard = lambda package: Frozen()
        node = await w.node("alice.nec", [package(CLOCK, name="clock")])
        assert (await node.ask("clock:clock:me")).ipc == b"12.0"

    passes(asks)


def test_properties_are_checked_in_their_step_and_at_the_end():
    async def asks(w):
        node = await w.node("alice.nec", [echo])
        w.always("early", lambda: w.now < 5)
        w.eventually("late", lambda: w.now > 100)
        await node.ask("echo")
        if w.choices.choose("wait", 2):
            await w.sleep(6)
            await node.ask("echo")

    late, early = (
        run(asks, choices=TapeChoices([])),
        run(asks, choices=TapeChoices([Choice("wait", 2, 1)] * 99)),
    )
    assert late.violation is not None
    assert late.violation.name == "late"
    assert early.violation is not None
    assert early.violation.name == "early"
    assert early.at == pytest.approx(6, abs=0.1)


def test_a_package_that_reaches_for_the_real_world_is_a_violation():
    async def asks(w):
        node = await w.node("alice.nec", [package(CLOCK, name="clock")])
        await node.ask("clock:clock:me", seconds=5)

    report = run(asks)
    assert report.verdict is Verdict.VIOLATED
    assert report.violation is not None
    assert report.violation.name == "escaped simulation"
    assert "time.time" in report.violation.text


def test_goals_of_coverage_are_counted():
    async def asks(w):
        node = await w.node("alice.nec", [echo])
        for number in range(3):
            await node.ask("echo")
            w.cover("odd", reached=number % 2)

    assert passes(asks).cover == {"odd": 1}
