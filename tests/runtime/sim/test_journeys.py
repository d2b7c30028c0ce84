"""What became of each message of a log."""

from __future__ import annotations

import pytest
import trio

from kernel.events import EventKind
from kernel.message import SendError
from runtime.sim.journeys import Fate, journeys
from runtime.sim.log_file import log_of
from runtime.sim.trace import Trace, WorldKind
from tests.support.net_world import net_world
from tests.support.told_trace import ToldTrace

A, B = "alice.uq", "bob.uq"


def fates(told):
    return [journey.fate for journey in journeys(told.entries())]


def test_within_a_node_a_message_is_sent_and_delivered_in_one_step():
    told = ToldTrace()
    sent = told.put(told.request("alice.a", "alice.b", "x"))
    [journey] = journeys(told.entries())
    assert (journey.sent, journey.ended, journey.fate) == (sent, sent, Fate.DELIVERED)
    assert (journey.sender, journey.receiver) == ((A, "a:app:me"), (A, "b:app:me"))


def test_between_nodes_it_departs_here_and_arrives_there_also_under_another_name():
    told = ToldTrace()
    message = told.request("alice.a", "bob.b")
    sent = told.depart(message)
    told.put(told.request("bob.c", "bob.d"))
    ended = told.event("bob.alias", EventKind.APPENDED, message)
    first, _ = journeys(told.entries())
    assert (first.sent, first.ended, first.fate) == (sent, ended, Fate.DELIVERED)
    assert first.receiver == (B, "alias:app:me")


def test_messages_of_one_id_are_told_apart_by_what_they_say_and_by_their_order():
    told = ToldTrace()
    first, second = told.request("alice.a", "bob.b", "1"), told.request("alice.a", "bob.b", "2")
    second.id = first.id
    departures = [told.depart(first), told.depart(second), told.depart(first)]
    arrivals = [told.put(second), told.put(first), told.put(first)]
    found = {journey.sent: journey.ended for journey in journeys(told.entries())}
    assert found == dict(zip(departures, [arrivals[1], arrivals[0], arrivals[2]], strict=True))


def test_what_never_arrives_is_under_way_until_something_says_that_it_is_lost():
    told = ToldTrace()
    message = told.request("alice.a", "bob.b")
    told.depart(message)
    assert fates(told) == [Fate.UNDER_WAY]
    told.world(WorldKind.LOST, "alice", f"data {message.id}", "bob")
    assert fates(told) == [Fate.LOST]
    told.put(message)  # the carrier sent it again
    assert fates(told) == [Fate.DELIVERED]


def test_a_crash_loses_what_is_on_its_way_to_the_node():
    told = ToldTrace()
    told.depart(told.request("alice.a", "bob.b"))
    told.depart(told.request("alice.a", "carol.b"))
    told.world(WorldKind.CRASHED, "bob")
    assert fates(told) == [Fate.LOST, Fate.UNDER_WAY]


def test_a_request_that_comes_back_says_where_and_why():
    told = ToldTrace()
    message = told.request("alice.a", "bob.b")
    told.depart(message)
    back = told.event("alice.a", EventKind.RETURNED, message, "node_unreachable")
    refused = told.event("alice.a", EventKind.RETURNED, told.request("alice.a", "alice.z"), "no_such_process")
    first, second = journeys(told.entries())
    assert (first.fate, first.returned, first.reason) == (Fate.LOST, back, "node_unreachable")
    assert (second.fate, second.sent, second.returned) == (Fate.REFUSED, refused, refused)


def test_a_request_that_arrives_after_it_came_back_still_says_why_it_did():
    told = ToldTrace()
    message = told.request("alice.a", "bob.b")
    told.depart(message)
    back = told.event("alice.a", EventKind.RETURNED, message, "deadline_passed")
    told.put(message)
    [journey] = journeys(told.entries())
    assert (journey.fate, journey.returned, journey.reason) == (Fate.DELIVERED, back, "deadline_passed")


def test_an_answer_that_nobody_waits_for_is_dead():
    told = ToldTrace()
    request = told.request("alice.a", "bob.b")
    told.depart(request)
    told.put(request)
    answer = told.response(request)
    told.depart(answer)
    told.event("alice.a", EventKind.DEAD_LETTER, answer, "its Request is not open (any more)")
    _, late = journeys(told.entries())
    assert (late.fate, late.reason) == (Fate.DEAD, "its Request is not open (any more)")
    assert late.ended == 3


async def test_kernels_on_links_tell_whole_journeys():
    trace = Trace()
    async with net_world(A, B) as world:
        for name in (A, B):
            world.nodes[name].kernel.kernel.router.observer = trace.observer(name)
        asker, helper = await world.puppet(A, "a"), await world.puppet(B, "b")
        asked = asker.begin_ask(helper, b"question", expects=10)
        await helper.receive()
        await helper.respond(b"answer")
        await asked.result()
        lost = asker.begin_ask(helper, b"unheard", expects=3)
        await trio.sleep(5)
        with pytest.raises(SendError):
            await lost.result()
    told = {journey.message.ipc: journey for journey in journeys(log_of(trace))}
    question, answer, unheard = told["question"], told["answer"], told["unheard"]
    assert (question.sender, question.receiver) == ((A, "a:test:test"), (B, "b:test:test"))
    assert (answer.sender, answer.receiver) == ((B, "b:test:test"), (A, "a:test:test"))
    assert question.sent < question.ended < answer.sent < answer.ended
    assert (unheard.fate, unheard.reason) == (Fate.DELIVERED, "deadline_passed")
