"""Numbered items that outlive their links: what is sent again, and what is settled."""

from __future__ import annotations

import pytest

from kernel.address import Address
from kernel.message import KernelMessage, Reason, Request, SendErrorKind
from kernel.refusals import Refusal
from sys_processes.net.frames import BadFrame, Gap
from sys_processes.net.streams import FlowLimits, InStream, OutStream

FULL = Refusal(SendErrorKind.Timeout, Reason.mailbox_full, "full")


def stream(messages: int, **limits: int) -> tuple[OutStream, list[KernelMessage]]:
    """One in which so many messages wait."""
    out = OutStream(7, FlowLimits(**limits))
    address = Address("a.uq", "a:t:t")
    sent = [KernelMessage(number + 1, address, address, None, Request()) for number in range(messages)]
    for envelope in sent:
        out.put(envelope, b"1234")
    return out, sent


def sent_now(out: OutStream) -> list[int]:
    return [item.seq for item in iter(out.next, None)]


def test_only_what_was_not_received_is_sent_again_and_new_items_come_after():
    out, _ = stream(5, flight_messages=4)
    assert sent_now(out) == [1, 2, 3, 4]
    out.cut()
    assert out.settle(1) == []
    out.resume(3)
    assert sent_now(out) == [4, 5]
    assert out.in_flight == 4


def test_nothing_is_sent_again_between_two_links():
    out, _ = stream(2)
    sent_now(out)
    out.resume(0)
    out.cut()
    assert sent_now(out) == []


def test_refusals_go_first_and_over_the_limit():
    out, _ = stream(3, flight_messages=1)
    assert sent_now(out) == [1]
    out.refuse((9, 4), FULL)
    item = out.next()
    assert item is not None
    assert (item.seq, item.refuses) == (2, (9, 4))
    assert out.next() is None
    assert out.settle(2) == [(9, 4)]
    assert sent_now(out) == [3]


def test_numbers_begin_again_for_a_peer_that_knows_nothing_of_the_stream():
    out, sent = stream(3, flight_messages=2)
    assert sent_now(out) == [1, 2]
    out.refuse((9, 4), FULL)
    assert sent_now(out) == [3]
    assert out.lost_track() == sent[:2]
    assert out.name == 7
    item = out.next()
    assert item is not None
    assert (item.seq, item.refuses) == (1, (9, 4))
    assert sent_now(out) == [2]


def test_giving_up_tells_what_was_sent_from_what_was_not_and_keeps_refusals():
    out, sent = stream(4, flight_messages=2)
    sent_now(out)
    out.refuse((9, 4), FULL)
    sent_now(out)
    assert out.refused(1) is sent[0]
    assert out.refused(1) is None
    uncertain, unsent = out.give_up(8)
    assert (uncertain, unsent, out.name) == ([sent[1]], sent[2:], 8)
    assert (out.in_flight, out.waiting, out.owes, out.is_idle) == (0, 0, False, False)
    item = out.next()
    assert item is not None
    assert (item.seq, item.refuses) == (1, (9, 4))


def test_a_refused_number_that_was_settled_or_is_itself_a_refusal_is_nobodys():
    out, sent = stream(2)
    out.refuse((9, 4), FULL)
    sent_now(out)
    assert out.refused(1) is None
    out.settle(2)
    assert out.refused(2) is None
    assert out.refused(3) is sent[1]


def test_a_refused_message_keeps_its_number_and_not_its_bytes():
    out, sent = stream(2)
    items = list(iter(out.next, None))
    assert out.refused(1) is sent[0]
    assert [item.packed for item in items] == [b"", b"1234"]
    out.cut()
    with pytest.raises(BadFrame, match="number 1 was refused, and was not received now"):
        out.resume(0)
    out.resume(1)
    assert sent_now(out) == [2]


def test_what_is_refused_and_never_settled_holds_up_what_waits():
    out, _ = stream(20, flight_messages=2)
    for item in iter(out.next, None):
        out.refused(item.seq)
    assert (out.last, out.in_flight, out.waiting, out.is_settled) == (8, 0, 12, False)
    out.settle(7)
    assert sent_now(out) == [9, 10]


def test_refusals_of_a_stream_that_is_no_more_are_dropped_unless_they_were_told():
    out, _ = stream(0)
    out.refuse((9, 1), FULL)
    sent_now(out)
    out.refuse((9, 2), FULL)
    out.refuse((10, 1), FULL)
    assert out.refusals == 3
    out.forget_refusals(10)
    assert (out.refusals, sent_now(out)) == (2, [2])
    assert out.settle(2) == [(9, 1), (10, 1)]
    assert out.refusals == 0


@pytest.mark.parametrize("call", [OutStream.settle, OutStream.refused, OutStream.resume])
def test_numbers_that_were_never_sent_are_refused(call):
    out, _ = stream(2)
    sent_now(out)
    with pytest.raises(BadFrame, match="2 is the last that was sent"):
        call(out, 3)


def test_what_came_is_settled_up_to_the_oldest_refusal_that_the_peer_may_not_have():
    into = InStream()
    into.reset(5)
    assert [into.take(seq) for seq in (1, 2, 3, 4, 4, 3, 5)] == [True] * 4 + [False, False, True]
    into.refuse(5)
    into.refuse(4)
    assert (into.received, into.acked, into.refused) == (5, 3, 2)
    into.confirm((6, 4))
    into.confirm((5, 5))
    assert into.acked == 3
    into.confirm((5, 4))
    assert (into.acked, into.refused) == (5, 0)
    for wrong, kind in ((0, BadFrame), (7, Gap)):
        with pytest.raises(kind):
            into.take(wrong)
    into.reset(6)
    assert (into.received, into.acked, into.take(1)) == (0, 0, True)


def test_what_was_refused_is_settled_on_a_link_once_the_refusal_was_written_there():
    into = InStream()
    into.reset(5)
    for seq in (1, 2, 3):
        into.take(seq)
    into.refuse(3)
    into.refuse(2)
    into.told((5, 3))
    assert into.acked_here == 1
    into.told((6, 2))
    into.told((5, 2))
    assert (into.acked_here, into.acked) == (3, 1)
    into.begin()
    assert into.acked_here == 1
    into.confirm((5, 2))
    assert (into.acked_here, into.acked) == (2, 2)
