"""The laws hold for the kernel as it is, and each is broken by the fault that it is there for (DESIGN 7)."""

from __future__ import annotations

import pytest
import trio

from kernel.address import Address
from kernel.capability import Capability
from kernel.events import Event, EventKind
from kernel.message import OnExit, SendError
from kernel.message_ids import MessageIds
from runtime.sim.laws import Law
from runtime.sim.trace import WorldKind
from sys_processes.timer import process as timer
from sys_processes.timer.protocol import TIMER, encode_timer
from tests.kernel.test_events import conversation
from tests.support.kernel_node import NODE, KernelNode, Puppet, pid_of
from tests.support.law_node import LawWorld, law_node, law_world
from tests.support.shelf import Code


class AlwaysSeven(MessageIds):
    def __init__(self) -> None:
        super().__init__(lambda label, bits: 7, ())

    def take(self) -> int:
        return 7


def mailbox(node: KernelNode, puppet: Puppet):
    return node.kernel.router.processes[puppet.pid].mailbox


async def test_a_conversation_breaks_no_law():
    async with law_node() as (node, watched):
        await conversation(node)
        await trio.sleep(100)
        assert watched.verdict() is None


async def test_exits_restarts_relays_and_what_was_not_read_break_no_law():
    async with law_node() as (node, watched):
        a, b, c = await node.puppets("a", "b", "c")
        again = await node.puppet("again", on_exit=OnExit.restart())
        asked = a.begin_ask(b, expects=5)
        await b.receive()
        await b.send(c, b"relayed", inherit=True)
        await b.send(c, b"relayed again", inherit=True)
        await a.send(again, b"unread", expects=9)
        await a.send(again, b"one way")
        await again.crash()
        await again.send(a, b"to one that ends", expects=3)
        await node.kill(c)
        with pytest.raises(SendError):
            await asked.result()
        a.begin_ask(again)
        await node.settle()
        await node.kill(a)
        await trio.sleep(100)
        await node.kernel.stop()
        assert watched.verdict() is None


async def test_requests_that_timed_out_before_they_were_read_break_no_law():
    async with law_node() as (node, watched):
        a, b = await node.puppets("a", "b")
        await a.send(b, b"first", expects=1)
        await a.send(b, b"second", expects=1)
        await trio.sleep(2)
        await b.receive()
        await b.respond()
        await node.kill(b)
        await a.unread()
        await node.kill(a)
        assert watched.verdict() is None


async def test_a_pair_out_of_order_is_found():
    async with law_node() as (node, watched):
        a, b = await node.puppets("a", "b")
        await a.send(b, b"1")
        await a.send(b, b"2")
        mailbox(node, b)._queue.reverse()
        await b.receive()
        await b.receive()
        assert watched.broken_law() == Law.FIFO


async def test_the_order_of_different_senders_is_nobodys_law():
    async with law_node() as (node, watched):
        a, b, c = await node.puppets("a", "b", "c")
        await a.send(b, b"1")
        await c.send(b, b"2")
        mailbox(node, b)._queue.reverse()
        await b.receive()
        await b.receive()
        assert watched.verdict() is None


async def test_an_answer_and_then_a_timeout_are_found():
    async with law_node() as (node, watched):
        a, b = await node.puppets("a", "b")
        asked = a.begin_ask(b, expects=1)
        node.kernel.router._close = lambda entry: None
        await b.receive()
        await b.respond()
        await asked.result()
        await trio.sleep(2)
        assert watched.broken_law() == Law.ONE_OUTCOME


async def test_two_answers_are_found():
    async with law_node() as (node, watched):
        a, b = await node.puppets("a", "b")
        await a.send(b, expects=1)
        message = await b.receive()
        await b.respond()
        node.kernel.router._close = lambda entry: None
        envelope = message.envelope()
        node.kernel.router.notify(EventKind.ANSWERED, a.pid, envelope)
        assert watched.broken_law() in {Law.ONE_OUTCOME, Law.AT_MOST_ONCE}


@pytest.mark.parametrize(("factor", "law"), [(0.5, Law.DEADLINE), (3.0, Law.DEADLINE), (1.0, None)])
async def test_a_deadline_that_fires_early_or_late_is_found(factor: float, law: Law | None):
    async with law_node() as (node, watched):
        a, b = await node.puppets("a", "b")
        deadlines = node.kernel.router.deadlines
        add = deadlines.add
        node.kernel.router.deadlines.add = lambda when, due, size=0: add(
            trio.current_time() + factor * (when - trio.current_time()), due, size
        )
        await a.send(b, expects=2)
        await trio.sleep(10)
        assert watched.broken_law() == law


async def test_a_forgotten_deadline_is_found_at_the_end():
    async with law_node() as (node, watched):
        a, b = await node.puppets("a", "b")
        node.kernel.router.deadlines.add = lambda *args: None
        await a.send(b, expects=2)
        assert watched.verdict() is None
        await trio.sleep(2.5)
        assert watched.broken_law() == Law.DEADLINE


async def test_a_paused_node_meets_its_deadlines_when_it_goes_on():
    async with law_node() as (node, watched):
        a, b = await node.puppets("a", "b")
        await a.send(b, expects=2)
        entry = next(iter(node.kernel.router.open.values()))
        node.kernel.router.deadlines._heap.clear()
        watched.say(NODE, WorldKind.PAUSED)
        await trio.sleep(5)
        assert watched.verdict() is None
        watched.say(NODE, WorldKind.RESUMED)
        entry.fire()
        await trio.sleep(5)
        assert watched.verdict() is None
        await a.send(b, expects=2)
        node.kernel.router.deadlines._heap.clear()
        watched.say(NODE, WorldKind.PAUSED)
        await trio.sleep(5)
        watched.say(NODE, WorldKind.RESUMED)
        await trio.sleep(1)
        assert watched.broken_law() == Law.DEADLINE


async def test_a_message_taken_twice_is_found():
    async with law_node() as (node, watched):
        a, b = await node.puppets("a", "b")
        await a.send(b, b"1")
        queue = mailbox(node, b)._queue
        queue.append(queue[0])
        await b.receive()
        await b.receive()
        assert watched.broken_law() == Law.AT_MOST_ONCE


async def test_a_delivery_to_a_process_that_has_exited_is_found():
    async with law_node() as (node, watched):
        a, b = await node.puppets("a", "b")
        process = node.kernel.router.processes[b.pid]
        await node.kill(b)
        process.accepts = True
        node.kernel.router.processes[b.pid] = process
        await a.send(b)
        assert watched.broken_law() == Law.EXITED


async def test_a_lost_dead_letter_is_found():
    async with law_node() as (node, watched):
        a, b = await node.puppets("a", "b")
        node.kernel.router.bury = lambda *args: None
        await a.send(b)
        await b.receive()
        await b.respond()
        assert watched.broken_law() == Law.ENDS


async def test_a_lost_refusal_is_found_at_the_next_event():
    async with law_node() as (node, watched):
        a = await node.puppet("a")
        node.kernel.router._return = lambda *args, **named: None
        await a.send(Address(NODE, "gone:x:y"))
        await a.do(lambda calls: calls.trace("goes on"))
        assert watched.broken_law() == Law.ENDS


async def test_what_an_exit_does_not_give_back_is_found():
    async with law_node() as (node, watched):
        a, b = await node.puppets("a", "b")
        await a.send(b, b"unread")
        node.kernel.router.release = lambda process: None
        await node.kill(b)
        assert watched.broken_law() == Law.ENDS


async def test_an_error_that_an_exit_does_not_bury_is_found():
    async with law_node() as (node, watched):
        a = await node.puppet("a")
        await a.send(Address(NODE, "gone:x:y"))
        node.kernel.router.release = lambda process: None
        await node.kill(a)
        assert watched.broken_law() == Law.ENDS


async def test_an_error_for_a_dead_asker_has_to_be_buried():
    async with law_node() as (node, watched):
        a, b = await node.puppets("a", "b")
        await a.send(b, expects=2)
        await node.kill(a)
        node.kernel.router.bury = lambda *args: None
        await trio.sleep(5)
        assert watched.broken_law() == Law.ENDS


async def test_a_child_process_that_outlives_its_parent_is_found(monkeypatch):
    async with law_node() as (node, watched):
        child = Puppet(node, pid_of("child"))
        node.programs.at["/child.py"] = Code(child.init)
        monkeypatch.setattr("kernel.offspring.attach", lambda *args: None)
        for detached, broken in ((True, None), (False, Law.OFFSPRING)):
            parent = await node.puppet(f"parent_{detached}")
            given = (f"child_{detached}", "/child.py", OnExit.none())
            await parent.do(
                lambda calls, given=given, detached=detached: calls.spawn(*given, detached=detached)
            )
            await node.kill(parent)
            assert watched.broken_law() == broken


async def test_a_skipped_capability_check_is_found(monkeypatch):
    """C-057."""
    async with law_node() as (node, watched):
        a, b = await node.puppet("a"), await node.puppet("b", public=False)
        monkeypatch.setattr("kernel.router.may_message", lambda *args: True)
        await a.send(b)
        assert watched.broken_law() == Law.RIGHTS


async def test_a_capability_counts_from_its_grant_to_its_end(monkeypatch):
    """C-070, C-080."""
    async with law_node() as (node, watched):
        a, b = await node.puppet("a"), await node.puppet("b", public=False, on_exit=OnExit.restart())
        await b.do(lambda calls: calls.create_capability(a.pid, '"messaging"'))
        await a.send(b)
        assert watched.verdict() is None
        monkeypatch.setattr("kernel.router.may_message", lambda *args: True)
        await a.do(lambda calls: calls.drop_capabilities([Capability.messaging(Address("our", b.pid))]))
        await a.send(b)
        assert watched.broken_law() == Law.RIGHTS


async def test_a_kill_takes_back_what_the_process_had_given(monkeypatch):
    """C-080."""
    async with law_node() as (node, watched):
        a, b = await node.puppet("a"), await node.puppet("b", public=False)
        await b.do(lambda calls: calls.create_capability(a.pid, '"messaging"'))
        await node.kill(b)
        await node.puppet("b", public=False)
        await a.send(b)
        assert watched.verdict() is None
        monkeypatch.setattr("kernel.router.may_message", lambda *args: True)
        await a.send(b)
        assert watched.broken_law() == Law.RIGHTS


async def test_what_the_kernel_asks_for_a_process_needs_no_capability():
    async with law_node() as (node, watched):
        a, state = await node.puppet("a"), await node.system("state")
        asked = a.begin(lambda calls: calls.get_state())
        await state.receive()
        await state.respond(b'"GetState"')
        await asked.result()
        assert watched.verdict() is None


async def test_two_open_requests_of_one_id_are_found():
    """C-023."""
    async with law_node() as (node, watched):
        a, b = await node.puppets("a", "b")
        node.kernel.router.ids = AlwaysSeven()
        await a.send(b, expects=2)
        await a.send(b, expects=3)
        assert watched.broken_law() == Law.UNIQUE_IDS


# -- timers


async def test_the_real_timer_breaks_no_law():
    async with law_node() as (node, watched):
        a = await node.puppet("a")
        node.kernel.add_module(TIMER, timer.make(), public=True)
        for ms in (0, 1, 1500, 2999):
            await a.ask(Address(NODE, TIMER), encode_timer(ms), expects=ms // 1000 + 1)
        await a.send(Address(NODE, TIMER), encode_timer(9000), expects=2)
        await trio.sleep(20)
        assert watched.verdict() is None


@pytest.mark.parametrize("after", [1.0, 2.0, None])
async def test_a_timer_that_rings_early_late_or_never_is_found(after: float | None):
    """PROTOCOL 7.2."""
    async with law_node() as (node, watched):
        a, clock = await node.puppet("a"), await node.system("timer", public=True)
        await a.send(Address(NODE, TIMER), encode_timer(1500), expects=3)
        await clock.receive()
        await trio.sleep(10 if after is None else after)
        await clock.respond()
        assert watched.broken_law() == Law.TIMER


# -- between nodes


async def exchange(world: LawWorld) -> None:
    a = await world.world.puppet("a.uq", "a")
    b = await world.world.puppet("b.uq", "b")
    for number in range(3):
        await a.send(b, b"%d" % number)
    asked = a.begin_ask(b)
    await trio.sleep(1)
    for message in await b.unread():
        if message.wants_response:
            await b.respond(b"yes")
    await trio.sleep(1)
    with trio.move_on_after(100):
        await asked.result()


async def test_messages_between_nodes_cuts_and_crashes_break_no_law():
    async with law_world("a.uq", "b.uq") as world:
        await exchange(world)
        await world.crash("b.uq")
        a = world.world.nodes["a.uq"].kernel.known["a:test:test"]
        await a.send(Address("b.uq", "b:test:test"), b"to nobody")
        asked = a.begin_ask(Address("b.uq", "b:test:test"))
        with pytest.raises(SendError):
            await asked.result()
        await world.boot("b.uq", "a.uq")
        await trio.sleep(120)
        await world.world.puppet("b.uq", "b")
        await a.send(Address("b.uq", "b:test:test"), b"again")
        await trio.sleep(1000)
        assert world.watched.trace.count > 40
        assert world.watched.verdict() is None


async def test_a_message_that_arrives_twice_from_another_node_is_found():
    async with law_world("a.uq", "b.uq") as world:
        router = world.world.nodes["b.uq"].kernel.kernel.router
        deliver = router.deliver_remote

        def twice(envelope):
            deliver(envelope)
            return deliver(envelope)

        router.deliver_remote = twice
        a = await world.world.puppet("a.uq", "a")
        await a.send(await world.world.puppet("b.uq", "b"))
        await trio.sleep(1)
        assert world.watched.broken_law() == Law.AT_MOST_ONCE


async def test_messages_of_another_node_out_of_order_are_found():
    async with law_world("a.uq", "b.uq") as world:
        router = world.world.nodes["b.uq"].kernel.kernel.router
        deliver, held = router.deliver_remote, []

        def swap(envelope):
            held.append(envelope)
            if len(held) == 2:
                deliver(held[1])
                return deliver(held[0])
            return None if len(held) == 1 else deliver(envelope)

        router.deliver_remote = swap
        await exchange(world)
        assert world.watched.broken_law() == Law.FIFO


async def test_a_message_that_is_lost_between_nodes_is_found_at_the_end():
    async with law_world("a.uq", "b.uq") as world:
        router = world.world.nodes["b.uq"].kernel.kernel.router
        deliver, seen = router.deliver_remote, []

        def lose_first(envelope):
            seen.append(envelope)
            return None if len(seen) == 1 else deliver(envelope)

        router.deliver_remote = lose_first
        await exchange(world)
        assert world.watched.verdict() is None
        await trio.sleep(1000)
        assert world.watched.broken_law() == Law.ENDS


async def test_a_process_without_network_gets_and_sends_nothing():
    """C-059, C-060."""
    async with law_world("a.uq", "b.uq") as world:
        a = await world.world.puppet("a.uq", "a")
        b = await world.world.puppet("b.uq", "b", network=False)
        await a.send(b)
        await trio.sleep(1)
        assert world.watched.verdict() is None
        world.world.nodes["b.uq"].kernel.kernel.router.processes[b.pid].holdings.network = True
        await a.send(b)
        await trio.sleep(1)
        assert world.watched.broken_law() == Law.RIGHTS


async def test_the_first_breach_is_told_once_in_the_step_in_which_it_shows():
    async with law_node() as (node, watched):
        heard = []
        watched.laws._on_broken = heard.append
        a, b = await node.puppets("a", "b")
        node.kernel.router.ids = AlwaysSeven()
        for _ in range(3):
            await a.send(b, expects=2)
        broken = watched.verdict()
        assert heard == [broken]
        assert str(broken).startswith(
            "law broken: unique ids, at 0.000000 s: the request 7 alice.uq@a:test:test"
        )
        watched.trace.observer("z.uq")(Event(EventKind.PRINTED, 9.0, None, None, "quiet"))
        assert watched.verdict() is broken
