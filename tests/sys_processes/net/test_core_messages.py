"""What becomes of messages on links that are cut, refused, restarted or overfull (PROTOCOL 3.7, 9.2, 9.4)."""

from __future__ import annotations

import pytest

from kernel.address import Address
from kernel.message import KernelMessage, Payload, Reason, Request, SendErrorKind
from sys_processes.net.effects import GiveBack, Ready
from sys_processes.net.envelopes import LARGEST, pack_message
from sys_processes.net.frames import (
    FRAME_LIMIT,
    Ack,
    Data,
    FrameParser,
    Hello,
    Ping,
    Pong,
    encode,
    encode_data,
)
from sys_processes.net.peering import PIECE
from sys_processes.net.streams import FlowLimits
from sys_processes.net.table import NetLimits
from tests.sys_processes.net.between_cores import (
    OFFLINE,
    A,
    B,
    Cores,
    data,
    error_of,
    inject,
    linked,
    state_of,
)

UNCERTAIN = (SendErrorKind.Offline, Reason.node_unreachable, False)


# -- cuts


def moved(cores: Cores, budget: int) -> int:
    """Move up to `budget` bytes, whole frames or not, one way and the other. What is left of the budget."""
    while budget:
        if cores.dials:
            cores.connect()
        ends = [end for end in cores.open_ends() if end.arriving]
        if not ends:
            return budget
        size = min(len(ends[0].arriving), budget)
        cores.move(ends[0], size)
        budget -= size
    return 0


def test_a_cut_at_every_byte_of_handshake_and_messages_loses_and_doubles_nothing():
    place = 0
    while True:
        cores = Cores(A, B)
        told = [cores.send(A, B, b"first"), cores.send(A, B, b"second")]
        left = moved(cores, place)
        told.append(cores.send(B, A, b"back"))
        for end in cores.open_ends():
            cores.cut(end)
        cores.settle()
        cores.check_laws()
        assert [one.delivered for one in told] == [1, 1, 1], place
        assert [one.given_back for one in told] == [[], [], []], place
        if left:
            break
        place += 1
    assert place > 700


def test_a_large_message_is_cut_anywhere_and_nothing_comes_between_its_pieces():
    big = bytes(range(256)) * 4096
    for place in (700, 100_000, 3 * PIECE, 2**20 + 2000):
        cores = Cores(A, B)
        told = [cores.send(A, B, b"first"), cores.send(A, B, ipc=big, payload=Payload(None, big))]
        moved(cores, place)
        told.append(cores.send(B, A, b"back"))
        for end in cores.open_ends():
            cores.cut(end)
        cores.settle()
        cores.check_laws()
        assert [one.delivered for one in told] == [1, 1, 1], place


def test_a_pong_that_is_due_waits_for_the_end_of_a_large_frame():
    cores = linked()
    (near,) = (end for end in cores.open_ends() if end.node == A)
    core = cores.cores[A]
    target = Address(B, "b:test:test")
    big = KernelMessage(99, Address(A, "a:test:test"), target, None, Request(), Payload(None, b"x" * 2**20))
    assert core.send(big, cores.now) == [Ready(near.number)]
    written = [core.output(near.number, cores.now)]
    core.received(near.number, encode(Ping(4)), cores.now)
    while data := core.output(near.number, cores.now):
        written.append(data)
    assert max(map(len, written)) == PIECE
    parser = FrameParser(FRAME_LIMIT)
    parser.feed(b"".join(written))
    frames = list(iter(parser.take, None))
    assert [type(frame) for frame in frames if isinstance(frame, Data | Pong)] == [Data, Pong]


def test_links_that_begin_again_and_again_and_bring_nothing_end_in_offline():
    cores = Cores(A, B)
    told = cores.send(A, B)
    for _ in range(3):
        near, _ = cores.connect()
        cores.cut(near)
        for end in cores.open_ends():
            cores.move(end)
    assert not cores.dials
    assert error_of(told) == OFFLINE


def test_what_was_sent_and_not_settled_when_a_peer_goes_for_good_is_uncertain_and_the_rest_is_certain():
    cores = linked(limits=NetLimits(flow=FlowLimits(flight_messages=1)))
    sent, waits = cores.send(A, B), cores.send(A, B)
    for end in cores.open_ends():
        cores.cut(end)
        cores.move(end)
    cores.refuse_dial()
    assert (error_of(sent), error_of(waits)) == (UNCERTAIN, OFFLINE)


def test_a_peer_that_started_anew_gets_what_was_never_sent_and_the_rest_comes_back_uncertain():
    cores = linked(limits=NetLimits(flow=FlowLimits(flight_messages=1)))
    sent, waits = cores.send(A, B), cores.send(A, B)
    cores.restart(B)
    cores.settle()
    assert error_of(sent) == UNCERTAIN
    assert (waits.delivered, waits.given_back) == (1, [])
    assert "has started anew" in sent.given_back[0].refusal.detail


def test_what_a_new_link_to_a_restarted_peer_carries_is_not_held_against_old_numbers():
    cores = linked()
    for _ in range(3):
        cores.restart(B)
        told = [cores.send(A, B), cores.send(B, A)]
        cores.settle()
        for _ in range(3):
            cores.pass_time(3)
            cores.settle()
        told += [cores.send(A, B), cores.send(B, A)]
        cores.settle()
        assert [one.delivered for one in told[2:]] == [1, 1]
        cores.check_laws()
        cores.check_all_settled()


def test_what_a_former_life_may_have_had_is_not_sent_to_the_next_one_although_that_knows_the_stream():
    """A reboot, and then a link whose welcome is lost: the new life knows our stream, and has nothing of it."""
    cores = linked()
    told = cores.send(A, B)
    [near, far] = cores.open_ends()
    cores.move(far)
    assert told.delivered == 1
    cores.restart(B)
    cores.move(near)
    near, far = cores.connect()
    cores.move(far)
    cores.move(near)
    cores.move(far)
    cores.cut(near)
    cores.move(near)
    cores.move(far)
    after = cores.send(A, B)
    cores.settle()
    assert (told.delivered, error_of(told)) == (1, UNCERTAIN)
    assert after.delivered == 1
    cores.check_laws()


# -- the order of frames


def test_a_frame_that_comes_twice_is_taken_once():
    cores = linked()
    cores.book[902] = cores.book[1]
    inject(cores, data(2) + data(2) + data(1))
    assert cores.order[A, B] == [1, 902]
    assert state_of(cores, B, A) == "up"


def test_a_frame_with_one_missing_before_it_ends_the_link_and_the_next_one_brings_both():
    """A router that drops or reorders."""
    cores = linked()
    [_, far] = cores.open_ends()
    first = cores.send(A, B)
    assert far.arriving
    far.arriving.clear()
    second = cores.send(A, B)
    cores.move(far)
    assert any("number 3 came after 1" in line for line in cores.reports)
    cores.settle()
    assert (first.delivered, second.delivered) == (1, 1)
    assert state_of(cores, B, A) == "up"
    cores.check_laws()
    cores.check_all_settled()


def test_the_first_frame_of_a_stream_is_missed_like_any_other():
    cores = Cores(A, B)
    first = cores.send(A, B)
    near, far = cores.connect()
    for end in (far, near, far, near):
        cores.move(end)
    assert first.delivered == 0
    assert far.arriving
    far.arriving.clear()
    second = cores.send(A, B)
    cores.move(far)
    assert second.delivered == 0
    cores.settle()
    assert (first.delivered, second.delivered) == (1, 1)
    cores.check_laws()


def test_an_acknowledgement_tells_of_what_was_lost_before_it():
    """Of the last frame of all, too, behind which no other comes."""
    cores = linked()
    [near, far] = cores.open_ends()
    told = cores.send(A, B)
    far.arriving.clear()
    cores.send(B, A)
    cores.move(near)
    began = cores.now
    cores.settle()
    assert any("number 2 was written, 1 is the last that came" in line for line in cores.reports)
    assert told.delivered == 1
    assert cores.now - began < 1.0
    cores.check_laws()
    cores.check_all_settled()


def test_links_that_only_bring_frames_with_one_missing_are_given_up():
    cores = linked()
    told = cores.send(A, B)
    for _ in range(20):
        for end in cores.open_ends():
            if end.node == B and any(other.node == A for other in cores.open_ends()):
                end.arriving += data(9)
        busy = [end for end in cores.open_ends() if end.arriving or end.ended]
        for end in busy:
            cores.move(end)
        if cores.dials:
            cores.connect()
    cores.settle()
    assert told.delivered + len(told.given_back) >= 1


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (encode(Ack(5)), "number 5 was acknowledged, 0 is the last"),
        (data(0), "numbers begin with 1"),
        (encode(Hello(A, B, b"\1" * 32)), "Hello has no place on a link that is up"),
        (data(2, source=Address("carol.uq", "a:t:t")), "alice.uq sent a message of 'carol.uq'"),
        (b"\0\0\0\1\xc1", "no msgpack"),
        ((2**31).to_bytes(4, "big"), "bytes, 10485864 at most"),
        (encode_data(2, b"\x01") + b"\0\0\0\1\x01", "expected a map"),
    ],
)
def test_what_makes_no_sense_ends_the_link_and_nothing_else(raw, told):
    """C-165 among them."""
    cores = linked()
    inject(cores, raw)
    assert any(told in line for line in cores.reports)
    cores.settle()
    cores.pass_time(3)
    after = [cores.send(A, B), cores.send(B, A)]
    cores.settle()
    assert [one.delivered for one in after] == [1, 1]


# -- refusals


# -- limits


def test_the_largest_message_passes_and_one_byte_more_comes_back_at_once():
    """C-167."""
    cores = linked()
    bare = len(
        pack_message(KernelMessage(2, Address(A, "a:test:test"), Address(B, "b:test:test"), None, Request()))
    )
    size = LARGEST - bare - 3  # a longer length field for the ipc
    fits, too_big = cores.send(A, B, b"x" * size), cores.send(A, B, b"x" * (size + 1))
    assert error_of(too_big) == (SendErrorKind.Timeout, Reason.too_large, True)
    assert str(LARGEST + 1) in too_big.given_back[0].refusal.detail
    cores.settle()
    assert fits.delivered
    assert state_of(cores, A, B) == "up"


def test_a_payload_counts_too():
    """C-167."""
    cores = linked()
    told = cores.send(A, B, payload=Payload(None, b"x" * LARGEST))
    assert error_of(told)[1] is Reason.too_large


def test_beyond_what_may_wait_messages_come_back_and_those_before_are_delivered_in_order():
    limits = NetLimits(
        flow=FlowLimits(flight_messages=2, flight_bytes=10_000, line_messages=3, line_bytes=10_000)
    )
    cores = linked(limits=limits)
    told = [cores.send(A, B) for _ in range(8)]
    assert [bool(one.given_back) for one in told] == [False] * 5 + [True] * 3
    assert error_of(told[5]) == (SendErrorKind.Timeout, Reason.mailbox_full, True)
    cores.settle()
    assert [one.delivered for one in told] == [1] * 5 + [0] * 3
    cores.check_laws()


def test_bytes_are_limited_too_but_one_message_always_flies():
    limits = NetLimits(flow=FlowLimits(flight_bytes=100, line_bytes=1000))
    cores = linked(limits=limits)
    big, bigger = cores.send(A, B, b"x" * 500), cores.send(A, B, b"x" * 700)
    states = cores.cores[A].peers(cores.now)
    assert [(state.in_flight, state.waiting) for state in states] == [(1, 1)]
    assert error_of(cores.send(A, B, b"x" * 300))[1] is Reason.mailbox_full
    cores.settle()
    assert (big.delivered, bigger.delivered) == (1, 1)


def test_what_cannot_be_put_into_bytes_comes_back():
    cores = linked()
    told = cores.send(A, B, message=Request(metadata="\udc80"))
    assert error_of(told) == (SendErrorKind.Timeout, Reason.link_refused, True)


def test_when_the_process_ends_everything_comes_back():
    cores = linked(limits=NetLimits(flow=FlowLimits(flight_messages=1)))
    sent, waits = cores.send(A, B), cores.send(A, B)
    cores.perform(A, cores.cores[A].stop())
    assert (error_of(sent), error_of(waits)) == (UNCERTAIN, OFFLINE)


def test_much_is_acknowledged_at_once_and_little_goes_along_or_waits_a_moment():
    cores = linked()
    little = cores.send(A, B)
    [far] = [end for end in cores.open_ends() if end.node == B]
    cores.move(far)
    assert little.delivered
    assert bytes(far.other.arriving) == b""
    cores.pass_time(0.05)
    assert b"ack" in far.other.arriving
    cores.settle()
    cores.send(A, B, b"x" * 40_000)
    cores.move(far)
    assert b"ack" in far.other.arriving
    cores.settle()
    cores.send(A, B)
    cores.move(far)
    cores.send(B, A)
    assert b"ack" in far.other.arriving


# -- what is said of a link that is gone


def test_calls_about_a_link_that_is_no_more_do_nothing():
    cores = Cores(A, B)
    core = cores.cores[A]
    assert core.received(77, b"x", 0) == core.lost(77, "", 0) == core.dial_failed(77, "", 0) == []
    assert core.opened(77, b"", 0) == []
    assert core.output(77, 0) == b""
    core.wrote(77)


def test_a_slow_write_of_one_big_message_is_no_stall_and_one_that_stops_is():
    cores = linked()
    [near] = [end for end in cores.open_ends() if end.node == A]
    core = cores.cores[A]
    envelope = KernelMessage(9, Address(A, "a:t:t"), Address(B, "b:t:t"), None, Request(ipc=b"x" * 1000))
    assert core.send(envelope, cores.now)
    assert core.output(near.number, cores.now)
    for second in range(600):
        cores.now += 1
        if second < 400:
            core.wrote(near.number)
        core.received(near.number, b"", cores.now)
        effects = core.tick(cores.now)
        if effects:
            break
    assert 480 <= second <= 525
    [given_back] = [effect for effect in effects if isinstance(effect, GiveBack)]
    assert not given_back.definite
    assert "nothing was taken there for 90 s" in given_back.refusal.detail
