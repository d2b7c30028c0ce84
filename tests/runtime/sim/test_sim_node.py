"""What a test can do to a node of its world: crash, restart, stop, pause, and look into it."""

from __future__ import annotations

import pytest
import trio

from kernel.capability import Capability
from kernel.events import EventKind
from kernel.message import Reason, SendError
from kernel.ports import StoreFailed
from runtime.sim.clock import EPOCH
from runtime.sim.mover import NodeDown
from runtime.sim.store import MemoryStore
from runtime.sim.trace import WorldKind
from tests.support.sim_home import package
from tests.support.worlds import KEEPER, echo, passes, silent
from userland.process_lib import Request, now, sleep

KEEPER_ID = "keeper:keeper:me"


def kinds(report, node):
    return [
        entry.kind
        for entry in report.trace.entries
        if entry.node == node and isinstance(entry.kind, WorldKind)
    ]


def test_a_crashed_node_does_nothing_more_that_can_be_seen():
    """P82: what finalisers do at a crash is not observable."""
    done: list[str] = []

    async def tidy(our):
        try:
            while True:
                await sleep(1)
                done.append("ticked")
        finally:
            done.append("tidied")

    async def crashes(w):
        node = await w.node("alice.nec", [echo, tidy])
        await node.ask("echo", b"hi")
        await w.sleep(2.5)
        node.crash()
        await w.sleep(10)
        assert done == ["ticked"] * 2
        assert not node.is_up
        with pytest.raises(NodeDown, match="restart"):
            await node.ask("echo", b"hi")

    report = passes(crashes)
    assert kinds(report, "alice.nec") == [WorldKind.BOOTED, WorldKind.CRASHED]
    crashed = next(e.number for e in report.trace.entries if e.kind is WorldKind.CRASHED)
    assert not [e for e in report.trace.entries[crashed + 1 :] if e.node == "alice.nec"]


def test_whoever_waits_for_a_node_hears_of_its_crash():
    async def crashes(w):
        node = await w.node("alice.nec", [silent])

        async def crash_soon():
            await w.sleep(1)
            node.crash()

        w.start_soon(crash_soon)
        with pytest.raises(NodeDown):
            await node.ask("silent", b"hi")
        assert w.now == pytest.approx(1, abs=0.1)

    passes(crashes)


def test_other_nodes_notice_a_crash_and_find_the_node_again():
    async def crashes(w):
        alice, bob = await w.node("alice.nec"), await w.node("bob.nec", [echo, silent])
        assert (await alice.ask(bob.address("echo"), b"1")).ipc == b"1"
        await alice.send(bob.address("silent"), b"2", seconds=20)
        bob.crash()
        with pytest.raises(SendError) as caught:
            await alice.ask(bob.address("echo"), b"3", seconds=5)
        assert caught.value.reason in {Reason.node_unreachable, Reason.deadline_passed}
        await bob.restart()
        assert (await alice.ask(bob.address("echo"), b"4", seconds=20)).ipc == b"4"
        await w.sleep(30)
        (answer,) = alice.heard
        assert isinstance(answer, SendError)

    report = passes(crashes)
    assert kinds(report, "bob.nec") == [WorldKind.BOOTED, WorldKind.CRASHED, WorldKind.BOOTED]


@pytest.mark.parametrize(("keep", "left"), [("flushed", b"a"), ("all", b"a"), ("nothing", b"")])
def test_what_was_acknowledged_survives_unless_everything_is_lost(keep, left):
    """P83."""

    async def restarts(w):
        node = await w.node("alice.nec", [package(KEEPER, name="keeper")])
        assert (await node.ask(KEEPER_ID, b"a")).ipc == b"a"
        assert node.state(KEEPER_ID) == b"a"
        node.crash()
        await node.restart(keep)
        assert (await node.ask(KEEPER_ID, b"?")).ipc == left

    passes(restarts)


def test_a_lost_machine_is_found_out_by_its_silence():
    async def crashes(w):
        alice, bob = await w.node("alice.nec"), await w.node("bob.nec", [echo])
        await alice.ask(bob.address("echo"))
        bob.crash(silent=True)
        with pytest.raises(SendError) as caught:
            await alice.ask(bob.address("echo"), seconds=3)
        assert caught.value.reason is Reason.deadline_passed
        await bob.restart()
        await w.sleep(60)
        assert (await alice.ask(bob.address("echo"), b"hi")).ipc == b"hi"

    passes(crashes)


def test_a_stop_is_in_order_and_keeps_all():
    async def stops(w):
        node = await w.node("alice.nec", [package(KEEPER, name="keeper")])
        await node.ask(KEEPER_ID, b"a")
        await node.stop()
        assert not node.is_up
        await node.restart()
        assert (await node.ask(KEEPER_ID, b"?")).ipc == b"a"

    report = passes(stops)
    assert kinds(report, "alice.nec") == [WorldKind.BOOTED, WorldKind.STOPPED, WorldKind.BOOTED]


def test_a_paused_node_stands_still_and_catches_up():
    seen: list[float] = []

    async def pauses(w):
        async def tick(our):
            while True:
                await sleep(1)
                seen.append(w.now)

        node, other = await w.node("alice.nec", [echo, tick]), await w.node("bob.nec")
        await w.until(lambda: len(seen) == 2)
        node.pause()
        paused = w.now
        with pytest.raises(SendError) as caught:
            await other.ask(node.address("echo"), b"hi", seconds=3)
        assert caught.value.kind.is_timeout()
        assert len(seen) == 2
        node.resume()
        assert (await other.ask(node.address("echo"), b"hi")).ipc == b"hi"
        assert seen[2] == pytest.approx(paused + 3, abs=0.5)

    report = passes(pauses)
    assert kinds(report, "alice.nec") == [WorldKind.BOOTED, WorldKind.PAUSED, WorldKind.RESUMED]


def test_a_paused_node_can_crash_and_its_next_run_is_not_paused():
    async def crashes(w):
        node = await w.node("alice.nec", [echo])
        node.pause()
        node.crash()
        await node.restart()
        assert (await node.ask("echo", b"hi")).ipc == b"hi"

    passes(crashes)


def test_a_wrong_clock_is_seen_by_actors_and_moves_no_timer():
    async def looks(w):
        times: list[tuple[float, float]] = []

        async def clock(our):
            while True:
                times.append((now(), w.now))
                await sleep(10)

        node = await w.node("alice.nec", [clock, echo])
        await w.sleep(1)
        node.clock.offset = 100.0
        await w.sleep(10)
        node.clock.rate = 2.0
        await w.sleep(10)
        (first, _), (second, at), (third, later) = times
        assert first == pytest.approx(EPOCH, abs=0.1)
        assert second == pytest.approx(EPOCH + at + 100)
        assert later - at == pytest.approx(10)
        assert third == pytest.approx(second + 1 + 9 * 2, abs=0.1)
        await node.ask("echo")

    passes(looks)


def test_a_test_sees_mailboxes_rights_and_prints():
    async def deaf(our):
        await sleep(1000)

    async def looks(w):
        node = await w.node("alice.nec", [deaf, echo])
        await node.send("deaf", b"one")
        await node.send("deaf", b"two", seconds=5)
        assert [message.ipc for message in node.inbox("deaf")] == [b"one", b"two"]
        assert node.mailbox("deaf") == 2
        assert Capability.network("alice.nec") in node.caps("deaf")
        await w.sleep(6)
        (late,) = node.heard
        assert isinstance(late, SendError)
        await node.act(lambda calls: calls.print_to_terminal(0, "seen"))
        assert "seen" in node.printed
        assert str(node.pid("deaf")) in [str(process.id) for process in node.processes()]
        await node.kill("deaf")
        with pytest.raises(LookupError, match="echo"):
            node.mailbox("deaf")

    passes(looks)


def test_a_package_can_be_installed_into_a_running_node():
    async def installs(w):
        node = await w.node("alice.nec")
        await node.install(package(KEEPER, name="keeper"))
        assert (await node.ask(KEEPER_ID, b"a")).ipc == b"a"

    passes(installs)


def test_a_node_whose_store_fails_has_crashed():
    async def breaks(w):
        node = await w.node("alice.nec", [echo])
        await node.ask("echo")
        node.boot_now.machine.store.broken = "the disk is full"
        with pytest.raises(Exception, match="full"):
            await node.stop()
        assert not node.is_up

    report = passes(breaks)
    assert kinds(report, "alice.nec")[-1] is WorldKind.CRASHED


def test_the_process_of_the_test_is_bound_by_the_kernel_like_any_other():
    async def asks(w):
        node = await w.node("alice.nec", [echo])

        async def ask_process(calls):
            request = Request().target(node.address("echo")).ipc(b"x")
            assert request is not None
            return [str(signed.params) for signed in calls.our_capabilities()]

        await node.ask("echo")
        assert await node.act(ask_process)

    report = passes(asks)
    granted = [e for e in report.trace.entries if e.kind is EventKind.GRANTED]
    assert any("echo:world:sim" in e.event.note for e in granted if e.event)


def test_a_node_can_crash_while_it_boots():
    async def crashes(w):
        node = await w.node("alice.nec", [echo])
        node.crash()

        async def boot():
            with pytest.raises(NodeDown, match="before it had booted"):
                await node.restart()
            done.append(w.now)

        done: list[float] = []
        w.start_soon(boot)
        for _ in range(4):
            await trio.lowlevel.checkpoint()
        assert not node.is_up
        node.crash()
        await w.until(lambda: done, timeout=1)
        await node.restart()
        assert (await node.ask("echo", b"hi")).ipc == b"hi"

    passes(crashes)


def test_a_boot_that_fails_says_why_and_can_be_tried_again():
    async def fails(w):
        node = await w.node("alice.nec", [echo])
        await node.stop()
        sound = node.store
        node.store = BrokenStore()
        with pytest.raises(StoreFailed, match="dead"):
            await node.restart()
        assert not node.is_up
        node.store = sound
        await node.restart()
        assert (await node.ask("echo", b"hi")).ipc == b"hi"

    passes(fails)


class BrokenStore(MemoryStore):
    def __init__(self):
        super().__init__()
        self.broken = "the controller is dead"

    def crash(self, keep=0):
        return self


def test_nodes_that_boot_at_once_know_each_other():
    async def boots(w):
        async with trio.open_nursery() as nursery:
            for name in ("alice.nec", "bob.nec", "carol.nec"):
                nursery.start_soon(w.node, name, [echo])
        for one in w.nodes.values():
            for other in w.nodes.values():
                assert (await one.ask(other.address("echo"), b"hi")).ipc == b"hi"

    passes(boots)


@pytest.mark.parametrize(("keep", "found"), [("flushed", b"1"), ("nothing", None)])
def test_databases_outlive_a_crash_and_a_new_machine_has_none(keep, found):
    """DESIGN 1: what kv acknowledged is durable."""

    async def test(w):
        node = await w.node(
            "alice.nec", [package(KEEPS_A_KEY, name="app", request_capabilities=["kv:sys:nectar"])]
        )
        assert (await node.ask("app:app:me", b"set")).ipc == b"set"
        await node.restart(keep)
        answer = await node.ask("app:app:me", b"get")
        assert answer.ipc == (found or b"none")

    passes(test)


KEEPS_A_KEY = """
from userland.process_lib import Response, SendError, await_message, kv

async def init(our):
    games = await kv.open(our.package_id, "games")
    while True:
        try:
            message = await await_message()
            if message.ipc == b"set":
                await games.set(b"k", b"1")
                Response().ipc(b"set").send()
            else:
                try:
                    Response().ipc(await games.get(b"k")).send()
                except kv.KvError:
                    Response().ipc(b"none").send()
        except SendError:
            pass
"""


def test_a_process_is_made_of_a_function():
    async def swaps(w):
        node = await w.node("alice.nec", [echo])
        with pytest.raises(TypeError, match=r"write node\.start"):
            node.start("other:world:sim", echo)
        await node.ask("echo", b"hi")

    passes(swaps)
