"""Properties of runs, on traces told by hand (DESIGN 7)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.address import Address
from kernel.events import Event, EventKind
from kernel.message import KernelMessage, Request
from runtime.sim.properties import Properties, matching
from runtime.sim.trace import Trace, WorldKind

A, B = Address.from_str("alice.uq@a:app:me"), Address.from_str("bob.uq@b:app:me")


class Told:
    """A trace with properties. Each entry is one virtual second after the former unless told otherwise."""

    def __init__(self) -> None:
        self.now = 0.0
        self.trace = Trace()
        self.heard = []
        self.properties = Properties(lambda: self.now, self.heard.append)
        self.trace.monitors.append(self.properties.check)

    def say(self, note: str, after: float = 1.0) -> None:
        self.now += after
        self.trace.add(self.now, "alice.uq", WorldKind.SPOKE, note=note)

    def finish(self):
        return self.properties.finish(self.now)


def says(note: str):
    return matching(WorldKind.SPOKE, note=note)


def test_always_is_violated_at_the_first_entry_after_which_it_is_false():
    told = Told()
    leaders = [1]
    told.properties.always("one leader", lambda: len(leaders) <= 1)
    told.say("fine")
    leaders.append(2)
    told.say("two")
    told.say("and more")
    found = told.finish()
    assert (found.name, found.at, found.entries) == ("one leader", 2.0, (1,))
    assert told.heard == [found]
    assert "two" in str(found)


def test_never_is_violated_by_an_entry_that_matches():
    told = Told()
    told.properties.never("refused", says("no"))
    told.say("yes")
    assert told.finish() is None
    told.say("no")
    assert told.finish().entries == (1,)


@pytest.mark.parametrize(("after", "name"), [(4.0, None), (5.0, None), (5.5, "comes")])
def test_eventually_has_so_many_seconds_from_when_it_was_asked_for(after: float, name: str | None):
    told = Told()
    told.say("before")
    told.properties.eventually("comes", says("here"), within=5)
    told.say("here", after)
    found = told.finish()
    assert (found and found.name) == name


def test_eventually_without_a_limit_has_until_the_end_of_the_run():
    told = Told()
    told.properties.eventually("comes", says("here"))
    told.say("x", 1000)
    assert told.finish().text == "did not come before the end"


def test_what_the_run_was_too_short_for_is_undecided_and_no_violation():
    told = Told()
    told.properties.eventually("comes", says("here"), within=5)
    told.properties.leads_to("follows", says("x"), says("y"), within=5)
    told.say("x")
    assert told.finish() is None
    assert told.properties.undecided == ("comes", "follows")


def test_a_state_that_came_without_an_entry_counts_at_the_end():
    told, here = Told(), []
    told.properties.eventually("comes", lambda: here)
    told.say("x")
    here.append(1)
    assert told.finish() is None
    assert told.properties.undecided == ()


def test_one_effect_is_enough_for_all_causes_before_it():
    told = Told()
    told.properties.leads_to("answered", says("ask"), says("answer"), within=3)
    told.say("ask")
    told.say("ask")
    told.say("answer")
    told.say("ask")
    assert told.finish() is None
    told.say("much later", 3.5)
    found = told.finish()
    assert (found.at, found.entries) == (7.0, (3,))
    assert "within 3 s" in found.text


def test_an_effect_of_two_entries_belongs_to_its_cause():
    told = Told()
    told.properties.leads_to(
        "answered",
        says("ask"),
        lambda cause, entry: entry.note == cause.note.replace("ask", "answer"),
    )
    for note in ("ask 1", "ask 2", "answer 2"):
        told.say(note)
    assert told.finish().entries == (0,)


def test_a_cause_that_is_a_state_waits_for_one_effect():
    told, waits = Told(), [1]
    told.properties.leads_to("served", lambda: waits, says("served"), within=2)
    told.say("x")
    told.say("y")
    told.say("served")
    waits.clear()
    assert told.finish() is None
    told.say("z", 10)
    assert told.finish() is None
    assert told.properties.undecided == ()


def test_only_the_first_violation_counts():
    told = Told()
    told.properties.never("first", says("x"))
    told.properties.never("second", says("x"))
    told.properties.eventually("third", says("y"))
    told.say("x")
    assert told.finish().name == "first"
    assert len(told.heard) == 1


def test_a_predicate_that_raises_is_a_violation_and_never_an_error_in_the_world():
    told = Told()
    told.properties.always("sound", lambda: 1 / 0)
    told.say("x")
    assert told.finish().text == "its predicate raised ZeroDivisionError: division by zero"


async def waits() -> bool:
    return True


@pytest.mark.parametrize("wrong", [waits, lambda one, two: True, "text", None])
def test_what_cannot_be_asked_is_refused_at_once(wrong):
    with pytest.raises(TypeError, match="property 'x'"):
        Told().properties.always("x", wrong)


def test_a_name_is_used_once():
    told = Told()
    told.properties.always("x", lambda: True)
    with pytest.raises(ValueError, match="choose another name"):
        told.properties.never("x", lambda: False)


def test_properties_that_had_nothing_to_look_at_are_told():
    told = Told()
    told.properties.always("looked at", lambda: True)
    told.properties.leads_to("no cause", says("ask"), says("answer"))
    assert list(told.properties.untried) == ["looked at", "no cause"]
    told.say("x")
    assert list(told.properties.untried) == ["no cause"]


def test_entries_match_by_what_they_are_about():
    trace = Trace()
    message = KernelMessage(1, A, B, None, Request(ipc=b"hello there"))
    trace.observer("alice.uq")(Event(EventKind.APPENDED, 1.0, B.process, message, "why"))
    trace.add(1.0, "alice.uq", WorldKind.CRASHED)
    event, crash = trace.entries
    every = {
        "node": "alice.uq",
        "process": "b:app:me",
        "source": "a:app:me",
        "target": str(B),
        "note": "wh",
        "ipc": b"hello",
    }
    assert matching(EventKind.APPENDED, **every)(event)
    assert matching()(crash)
    assert not matching(EventKind.ANSWERED)(event)
    for name in every:
        other = b"bye" if name == "ipc" else "bye"
        assert not matching(**{**every, name: other})(event)
    assert not matching(process="b:app:me")(crash)
    assert not matching(ipc=b"")(crash)


@given(st.lists(st.tuples(st.sampled_from("abx"), st.sampled_from([0.0, 1.0, 2.0, 3.0]))))
def test_leads_to_agrees_with_its_definition(steps):
    told = Told()
    told.properties.leads_to("p", says("a"), says("b"), within=3)
    for note, after in steps:
        told.say(note, after)
    entries = told.trace.entries
    missed = [
        one.number
        for one in entries
        if one.note == "a"
        and one.at + 3 < told.now
        and not any(e.note == "b" and e.at <= one.at + 3 for e in entries[one.number :])
    ]
    found = told.finish()
    assert (found.entries if found else ()) == tuple(missed[:1])
