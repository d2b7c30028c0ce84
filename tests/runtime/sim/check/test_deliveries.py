"""Order, once-only and outcomes of messages: a sound channel is accepted, planted faults are found."""

from __future__ import annotations

from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.sim.check import History, Unfit, at_most_once, fifo_per_pair, one_outcome


def sent(history: History, source: str, target: str, value: object) -> None:
    history.done(source, "send", (target, value))


def received(history: History, target: str, source: str, value: object) -> None:
    history.done(target, "receive", None, (source, value))


NAMES = st.sampled_from("abc")


@given(st.lists(st.tuples(st.booleans(), NAMES, NAMES, st.booleans())))
def test_a_channel_that_keeps_order_and_loses_some_is_accepted(steps):
    history, channels = History(), {}
    for number, (sends, source, target, lost) in enumerate(steps):
        channel = channels.setdefault((source, target), deque())
        if sends:
            sent(history, source, target, number)
            if not lost:
                channel.append(number)
        elif channel:
            received(history, target, source, channel.popleft())
    assert fifo_per_pair(history).valid is True
    assert at_most_once(history).valid is True


@given(st.lists(st.integers(), min_size=2, unique=True), st.data())
def test_two_that_changed_places_are_found(values, data):
    history = History()
    for value in values:
        sent(history, "a", "b", value)
    place = data.draw(st.integers(0, len(values) - 2))
    values[place], values[place + 1] = values[place + 1], values[place]
    for value in values:
        received(history, "b", "a", value)
    found = fifo_per_pair(history)
    assert found.valid is False
    assert "came after a later one" in found.text


def test_sends_that_overlap_have_no_order():
    history = History()
    first, second = history.invoke("a", "send", ("b", 1)), history.invoke("a", "send", ("b", 2))
    first.ok()
    second.ok()
    received(history, "b", "a", 2)
    received(history, "b", "a", 1)
    assert fifo_per_pair(history).valid is True


def test_what_comes_from_nowhere_is_found():
    history = History()
    received(history, "b", "a", 1)
    assert fifo_per_pair(history).valid is False


def test_what_comes_twice_is_found():
    history = History()
    sent(history, "a", "b", 1)
    received(history, "b", "a", 1)
    assert at_most_once(history).valid is True
    received(history, "b", "a", 1)
    assert (at_most_once(history).valid, at_most_once(history).calls) == (False, (1, 2))


def test_what_was_certainly_not_handled_must_not_arrive():
    history = History()
    history.invoke("a", "send", ("b", 1)).fail("refused")
    received(history, "b", "a", 1)
    assert at_most_once(history).valid is False


def test_values_that_are_sent_twice_cannot_be_told_apart():
    history = History()
    sent(history, "a", "b", 1)
    sent(history, "a", "b", 1)
    assert fifo_per_pair(history).valid is None
    assert at_most_once(history).valid is None


def test_a_send_of_another_form_is_refused():
    history = History()
    history.done("a", "send", "b")
    with pytest.raises(Unfit, match=r"expected \(process, value\)"):
        fifo_per_pair(history)


def test_each_request_has_one_outcome():
    history = History()
    asked = history.invoke("a", "ask", "x")
    history.invoke("dead", "ask", "y")
    assert one_outcome(history, lives=lambda process: process != "dead").valid is False
    asked.info("timeout")
    assert one_outcome(history, lives=lambda process: process != "dead").valid is True
    assert one_outcome(history).valid is False
    asked.ok("and then the answer")
    found = one_outcome(history, lives=lambda process: process != "dead")
    assert (found.valid, found.calls) == (False, (0,))
