"""What becomes of messages that the other side does not take, and who abuses that (PROTOCOL 3.7, 9.4)."""

from __future__ import annotations

import msgpack

from kernel.address import Address
from kernel.capability import SignedCapability
from kernel.message import Reason, Request, SendErrorKind
from sys_processes.net.frames import Ack, Data, FrameParser, Ping, Refuse, Session, encode, encode_data
from sys_processes.net.streams import FlowLimits
from sys_processes.net.table import NetLimits
from tests.sys_processes.net.between_cores import (
    FULL,
    A,
    B,
    Cores,
    Stranger,
    Told,
    data,
    error_of,
    inject,
    linked,
    state_of,
)

UNCERTAIN = (SendErrorKind.Offline, Reason.node_unreachable, False)


def test_a_refused_message_comes_back_with_the_reason_of_the_other_side():
    cores = linked(takes=lambda envelope: FULL if envelope.id == 2 else None)
    refused, fine = cores.send(A, B), cores.send(A, B)
    cores.settle()
    assert error_of(refused) == (SendErrorKind.Timeout, Reason.mailbox_full, True)
    assert refused.given_back[0].refusal.detail == "full"
    assert (fine.delivered, fine.given_back) == (1, [])


def test_a_cut_at_every_byte_on_the_way_back_loses_no_refusal():
    place = 0
    while True:
        cores = linked(takes=lambda envelope: FULL if envelope.id % 2 == 0 else None)
        told = [cores.send(A, B) for _ in range(5)]
        for end in cores.open_ends():
            if end.node == B:
                cores.move(end)
        [near] = [end for end in cores.open_ends() if end.node == A]
        whole = len(near.arriving)
        if place > whole:
            break
        if place:
            cores.move(near, place)
        cores.cut(near)
        cores.settle()
        cores.check_laws()
        assert [bool(one.given_back) for one in told] == [True, False, True, False, True], place
        assert [one.delivered for one in told] == [0, 1, 0, 1, 0], place
        place += 1
    assert place > 200


def test_a_refusal_outlives_a_session_that_was_given_up():
    cores = linked(takes=lambda envelope: FULL if envelope.id == 2 else None)
    refused = cores.send(A, B)
    [far] = [end for end in cores.open_ends() if end.node == B]
    cores.move(far)
    lost = cores.send(B, A)
    cores.cut(far)
    cores.move(far)
    cores.refuse_dial()
    assert error_of(lost) == UNCERTAIN
    cores.settle()
    assert error_of(refused)[1] is Reason.mailbox_full
    after = cores.send(A, B)
    cores.settle()
    assert after.delivered
    assert [peer.in_flight for peer in cores.cores[A].peers(cores.now)] == [0]


def test_two_nodes_that_refuse_a_message_of_each_other_at_once_still_settle_what_follows():
    cores = linked(takes=lambda envelope: FULL if envelope.id in {2, 3} else None)
    refused = [cores.send(A, B), cores.send(B, A)]
    cores.settle()
    after = [cores.send(A, B), cores.send(B, A)]
    cores.settle()
    for _ in range(5):
        cores.pass_time(30)
        cores.settle()
    assert [error_of(one)[1] for one in refused] == [Reason.mailbox_full] * 2
    assert [(one.delivered, one.given_back) for one in after] == [(1, []), (1, [])]
    for node in (A, B):
        assert [(peer.state, peer.in_flight) for peer in cores.cores[node].peers(cores.now)] == [("up", 0)]


def test_nothing_is_settled_before_its_refusal_is_told_in_whatever_order_they_come():
    """The first one is refused by its receiver, the second one by the carrier, who is earlier."""
    cores = Cores(A, B, takes=lambda envelope: FULL)
    alice = Stranger(cores)
    alice.prove(A, Session(7, 1, 9, 0, 0, 0))
    alice.say(data(1) + data(2, target=Address("carol.uq", "b:t:t")))
    cores.pass_time(1)
    said = [frame for frame in alice.heard() if isinstance(frame, Ack | Refuse)]
    assert [frame.of if isinstance(frame, Refuse) else -frame.seq for frame in said] == [2, 1, -2]


def test_only_so_many_signatures_are_checked_for_one_peer_in_so_short_a_time():
    """Each costs a quarter of a millisecond in which the node does nothing else."""
    cores = Cores(A, B, takes=lambda envelope: None)
    cores.book = {900 + seq: Told(None) for seq in range(1, 8)}
    alice = Stranger(cores)
    alice.prove(A, Session(7, 1, 9, 0, 0, 0))
    alice.heard()
    some = (SignedCapability(Address(A, "a:t:t"), '"x"', b"\5" * 64),) * 64
    for seq in range(1, 6):
        alice.say(data(seq, message=Request(capabilities=some)))
    alice.say(data(6))
    [refuse] = [frame for frame in alice.heard() if isinstance(frame, Refuse)]
    assert (refuse.of, refuse.reason) == (5, Reason.link_refused)
    assert "attach fewer, or wait some seconds" in refuse.detail
    cores.pass_time(1)
    alice.say(data(7, message=Request(capabilities=some)))
    assert [told.delivered for told in cores.book.values()] == [1, 1, 1, 1, 0, 1, 1]


def test_a_message_for_another_node_is_refused_and_the_link_goes_on():
    cores = linked()
    inject(cores, data(2, target=Address("carol.uq", "b:t:t")))
    [near] = [end for end in cores.open_ends() if end.node == A]
    parser = FrameParser()
    parser.feed(near.arriving)
    refusals = [frame for frame in iter(parser.take, None) if isinstance(frame, Refuse)]
    assert [(one.of, one.reason) for one in refusals] == [(2, Reason.link_refused)]
    assert "bob.uq is not carol.uq" in refusals[0].detail
    assert state_of(cores, B, A) == "up"


def test_a_message_that_bob_cannot_read_is_refused_and_the_link_goes_on():
    cores = linked()
    inject(cores, encode_data(2, msgpack.packb({"id": "no number"})))
    [near] = [end for end in cores.open_ends() if end.node == A]
    parser = FrameParser()
    parser.feed(near.arriving)
    [refusal] = [frame for frame in iter(parser.take, None) if isinstance(frame, Refuse)]
    assert "bob.uq cannot read this message" in refusal.detail
    assert state_of(cores, B, A) == "up"


def test_a_peer_that_never_acknowledges_refusals_is_cut_off():
    cores = linked(limits=NetLimits(flow=FlowLimits(flight_messages=2)), takes=lambda envelope: FULL)
    for seq in range(2, 14):
        if state_of(cores, B, A) == "up":
            inject(cores, data(seq))
    assert any("too many refused messages" in line for line in cores.reports)


def test_refusals_do_not_pile_up_for_a_peer_that_begins_anew_and_never_acknowledges():
    cores = Cores(A, B, limits=NetLimits(flow=FlowLimits(flight_messages=2)), takes=lambda envelope: FULL)
    for turn in range(1, 40):
        alice = Stranger(cores)
        alice.prove(A, Session(7, turn, 100 + turn, 0, 0, 0))
        for seq in range(1, 9):
            alice.say(data(seq))
    assert cores.cores[B]._table.peers[A].out.refusals <= 10


def test_a_peer_that_refuses_and_never_acknowledges_is_given_up_and_holds_no_bytes():
    cores = Cores(A, B, limits=NetLimits(flow=FlowLimits(flight_messages=2)))
    alice = Stranger(cores)
    alice.prove(A, Session(7, 1, 9, 0, 0, 0))
    out = cores.cores[B]._table.peers[A].out
    sent = []
    for _ in range(20):
        sent.append(cores.send(B, A, b"x" * 1000))
        for frame in alice.heard():
            if isinstance(frame, Data):
                alice.say(
                    encode(
                        Refuse(frame.seq, out.name, frame.seq, SendErrorKind.Timeout, Reason.mailbox_full, "")
                    )
                )
    assert [len(told.given_back) for told in sent] == [1] * 8 + [0] * 12
    for number in range(2, 100):
        alice.say(encode(Ping(number)))
        cores.pass_time(2)
    assert [len(told.given_back) for told in sent] == [1] * 20
    assert out.is_settled


def test_a_refusal_of_a_number_that_was_never_sent_ends_the_link():
    cores = linked()
    stream = cores.cores[B]._table.peers[A].out.name
    inject(cores, encode(Refuse(2, stream, 7, SendErrorKind.Timeout, Reason.mailbox_full, "")))
    assert any("number 7 was refused" in line for line in cores.reports)
