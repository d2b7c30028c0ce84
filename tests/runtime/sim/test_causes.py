"""DESIGN 7: a failure is explained by what may have led to it, and by nothing else."""

from __future__ import annotations

import attrs
import pytest
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from kernel.events import EventKind
from runtime.sim.causes import causal_past, causes
from runtime.sim.log_file import log_of
from runtime.sim.trace import Trace, WorldKind
from tests.support.net_world import net_world
from tests.support.told_trace import ToldTrace

A, B = "alice.uq", "bob.uq"


def past(told, *numbers):
    return [entry.number for entry in causal_past(told.entries(), *numbers)]


def test_what_a_process_was_given_may_have_led_to_what_it_does_next():
    told = ToldTrace()
    first = told.put(told.request("alice.a", "alice.b"))
    told.put(told.request("alice.x", "alice.y"))
    second = told.put(told.request("alice.b", "alice.c"))
    assert past(told, second) == [first, second]


def test_where_it_is_told_only_what_a_process_has_taken_may_have_led_to_what_it_does():
    told = ToldTrace()
    taken, unread = told.request("alice.a", "alice.b"), told.request("alice.x", "alice.b")
    first = told.put(taken)
    told.put(unread)
    took = told.event("alice.b", EventKind.NOTED, taken)
    sent = told.event("alice.b", EventKind.NOTED, told.request("alice.b", "alice.c"))
    message = told.put(told.request("alice.b", "alice.c"))
    kinds = {took: "taken", sent: "sent"}
    entries = [attrs.evolve(e, kind=kinds.get(e.number, e.kind)) for e in told.entries()]
    assert [entry.number for entry in causal_past(entries, message)] == [first, took, sent, message]


def test_an_error_that_is_taken_comes_of_its_return():
    told = ToldTrace()
    message = told.request("alice.a", "alice.b")
    back = told.event("alice.a", EventKind.RETURNED, message, "no_such_process")
    failed = told.request("alice.b", "alice.a")  # as kernels label it: with its target as source
    failed.id = message.id
    took = told.event("alice.a", EventKind.NOTED, failed)
    entries = [attrs.evolve(e, kind="taken" if e.number == took else e.kind) for e in told.entries()]
    assert [entry.number for entry in causal_past(entries, took)] == [back, took]


def test_what_else_is_put_into_a_mailbox_did_not_lead_to_a_message():
    told = ToldTrace()
    told.put(told.request("alice.x", "alice.b"))
    message = told.put(told.request("alice.a", "alice.b"))
    assert past(told, message) == [message]


def test_a_message_between_nodes_is_one_step_and_its_carriers_lead_nowhere():
    told = ToldTrace()
    other = told.request("alice.x", "bob.y")
    told.depart(other)
    message = told.request("alice.a", "bob.b")
    departed = told.depart(message)
    told.put(other)
    arrived = told.put(message)
    assert past(told, arrived) == [departed, arrived]


def test_a_timeout_comes_of_the_request_and_of_its_deadline():
    told = ToldTrace()
    message = told.request("alice.a", "bob.b")
    sent = told.depart(message)
    told.put(told.request("alice.x", "alice.y"))
    fired = told.event("alice.a", EventKind.FIRED, message)
    back = told.event("alice.a", EventKind.RETURNED, message, "deadline_passed")
    then = told.put(told.request("alice.a", "alice.c"))
    assert past(told, then) == [sent, fired, back, then]


def test_a_life_begins_with_its_node_and_that_with_the_crash_before():
    told = ToldTrace()
    told.put(told.request("alice.a", "alice.b"))
    crashed = told.world(WorldKind.CRASHED, "alice")
    told.world(WorldKind.BOOTED, "bob")
    booted = told.world(WorldKind.BOOTED, "alice")
    started = told.event("alice.b", EventKind.STARTED)
    sent = told.put(told.request("alice.b", "alice.a"))
    assert past(told, sent) == [crashed, booted, started, sent]


def test_a_lost_packet_comes_of_what_it_carried_and_of_the_partition_in_its_way():
    told = ToldTrace()
    cut = told.world(WorldKind.PARTITIONED, "alice", other="bob")
    told.world(WorldKind.PARTITIONED, "carol", other="dave")
    message = told.request("alice.a", "bob.b")
    sent = told.depart(message)
    lost = told.world(WorldKind.LOST, "alice", f"data {message.id}", "bob")
    assert past(told, lost) == [cut, sent, lost]
    healed = told.world(WorldKind.HEALED, "alice", other="bob")
    assert past(told, healed) == [cut, healed]


def test_a_violation_comes_of_the_entry_that_broke_the_property():
    told = ToldTrace()
    told.put(told.request("alice.x", "alice.y"))
    broke = told.put(told.request("alice.a", "alice.b"))
    violated = told.world(WorldKind.VIOLATED, note="balance: 3 is not 4")
    assert past(told, violated) == [broke, violated]


def test_an_entry_that_is_not_there_is_named():
    with pytest.raises(KeyError, match="no entry 7"):
        causal_past(ToldTrace().entries(), 7)


steps = st.lists(
    st.tuples(
        st.sampled_from(["alice.a", "alice.b", "bob.c", "bob.d"]), st.sampled_from(["bob.c", "alice.a"])
    )
)


@given(steps, st.data())
def test_causes_come_earlier_and_a_past_holds_the_past_of_all_in_it(steps, data):
    told = ToldTrace()
    flying = []
    for source, target in steps:
        message = told.request(source, target)
        if source.split(".")[0] == target.split(".")[0]:
            told.put(message)
        else:
            told.depart(message)
            flying.append(message)
        if flying and data.draw(st.booleans()):
            told.put(flying.pop(0))
    entries = told.entries()
    direct = causes(entries)
    assert all(cause < number for number, found in direct.items() for cause in found)
    if entries:
        number = data.draw(st.integers(0, len(entries) - 1))
        whole = set(past(told, number))
        assert all(cause in whole for member in whole for cause in direct[member])


async def test_the_past_of_an_answer_of_real_kernels_is_its_own_chain():
    trace = Trace()
    async with net_world(A, B) as world:
        for name in (A, B):
            world.nodes[name].kernel.kernel.router.observer = trace.observer(name)
        asker, helper, third = [await world.puppet(*who) for who in ((A, "a"), (B, "b"), (B, "c"))]
        noise = await world.puppet(A, "noise")
        asked = asker.begin_ask(helper, b"question", expects=10)
        await helper.receive()
        await noise.send(third, b"noise")
        await helper.send(third, b"have a look")
        await helper.respond(b"answer")
        await asked.result()
        await trio.testing.wait_all_tasks_blocked()
    entries = log_of(trace)
    answered = next(entry for entry in entries if entry.kind == "answered" and entry.message.ipc == "answer")
    said = [entry.message.ipc for entry in causal_past(entries, answered.number) if entry.message is not None]
    assert list(dict.fromkeys(said)) == ["question", "have a look", "answer"]
