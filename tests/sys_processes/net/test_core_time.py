"""Peers that rest, are silent, idle or too many (PROTOCOL 9.4)."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import pytest

from kernel.message import Reason, SendErrorKind
from sys_processes.net.table import ACK_SECONDS, NetLimits
from tests.sys_processes.net.between_cores import (
    OFFLINE,
    REFUSED,
    A,
    B,
    Cores,
    error_of,
    linked,
    record_of,
    state_of,
)

# -- resting


def rests_of(cores: Cores, fail: Callable[[], None]) -> list[float]:
    """How long alice leaves bob alone, each time that he is dialled and it fails."""
    rests = []
    for _ in range(8):
        cores.send(A, B)
        fail()
        told = cores.send(A, B)
        assert error_of(told)[0] is SendErrorKind.Offline
        assert not cores.dials
        began = cores.now
        while not cores.dials:
            cores.pass_time(0.25)
            cores.send(A, B)
        rests.append(cores.now - began)
        fail()
        cores.pass_time(200)
    return rests


def test_a_peer_that_is_away_is_left_alone_for_two_seconds_then_four():
    """So that one which is booted again is reached soon, though nobody tells."""
    cores = Cores(A, B)
    rests = rests_of(cores, cores.refuse_dial)
    bounds = [(1.5, 2.75), *[(3, 5.25)] * 7]
    assert [low <= rest <= high for rest, (low, high) in zip(rests, bounds, strict=True)] == [True] * 8
    assert len({round(rest, 2) for rest in rests[1:]}) > 1


def test_a_peer_that_refuses_is_left_alone_for_longer_and_longer_up_to_a_minute():
    cores = Cores(A, B)
    rests = rests_of(cores, lambda: cores.connect(key=b"\1" * 32))
    bounds = [(1.5, 2.75), (6, 10.25), (24, 40.25), *[(45, 75.25)] * 5]
    assert [low <= rest <= high for rest, (low, high) in zip(rests, bounds, strict=True)] == [True] * 8
    assert len({round(rest, 1) for rest in rests[4:]}) > 1


def test_a_peer_that_dials_itself_ends_its_rest():
    cores = Cores(A, B)
    cores.send(A, B)
    cores.refuse_dial()
    cores.send(B, A)
    cores.settle()
    told = cores.send(A, B)
    cores.settle()
    assert told.delivered


@pytest.mark.parametrize("news", [{"address": "elsewhere:80"}, {"serial": 7}])
def test_a_new_record_ends_the_rest_also_at_the_same_address(news):
    """A node that is booted again shows a record with a new serial."""
    cores = Cores(A, B)
    cores.send(A, B)
    cores.connect(key=b"\1" * 32)
    assert state_of(cores, A, B) == "resting"
    cores.records[B] = attrs.evolve(record_of(B), **news)
    cores.perform(A, cores.cores[A].registry_changed(cores.now))
    told = cores.send(A, B)
    assert cores.dials[0][1].record == cores.records[B]
    cores.settle()
    assert told.delivered


@pytest.mark.parametrize("record", [None, attrs.evolve(record_of(B), public_key=b"\1" * 32)])
def test_a_link_by_a_key_that_counts_no_longer_ends(record):
    cores = linked()
    if record is None:
        del cores.records[B]
    else:
        cores.records[B] = record
    cores.perform(A, cores.cores[A].registry_changed(cores.now))
    cores.settle()
    assert cores.open_ends() == []
    assert state_of(cores, A, B) == "resting"


# -- silence, idleness, too many


def test_a_silent_peer_is_dead_after_two_unanswered_pings():
    cores = linked()
    for end in cores.open_ends():
        cores.cut(end)
    cores.pass_time(89)
    assert state_of(cores, A, B) == "up"
    cores.pass_time(2)
    assert state_of(cores, A, B) == "idle"


def test_a_link_that_answers_pings_lives_until_half_an_hour_without_messages():
    """C-169 and its end."""
    cores = linked()
    for _ in range(58):
        cores.pass_time(30)
        cores.settle()
    assert (state_of(cores, A, B), state_of(cores, B, A)) == ("up", "up")
    for _ in range(4):
        cores.pass_time(30)
        cores.settle()
    assert (state_of(cores, A, B), state_of(cores, B, A)) == ("idle", "idle")
    told = cores.send(A, B)
    cores.settle()
    assert told.delivered


def test_a_busy_link_is_not_closed_after_half_an_hour():
    """C-169."""
    cores = linked()
    for _ in range(150):
        cores.send(A, B)
        cores.pass_time(29)
        cores.settle()
    assert len(cores.dials) == 0
    assert [peer.turn for peer in cores.cores[A]._table.peers.values()] == [1]
    assert all(told.delivered for told in cores.book.values())


def test_a_clock_that_jumps_a_day_asks_before_it_gives_a_link_up():
    cores = linked()
    cores.now += 20.0
    cores.send(A, B)
    cores.settle()
    cores.now += 1000.0
    cores.tick()
    cores.settle()
    assert state_of(cores, A, B) == "up"
    told = cores.send(A, B)
    cores.settle()
    assert told.delivered


@pytest.mark.parametrize("arrives", [False, True])
def test_a_clock_that_jumps_a_day_while_a_message_is_under_way_loses_nothing(arrives):
    cores = linked()
    there, back = cores.send(A, B), cores.send(B, A)
    if arrives:
        for end in cores.open_ends():
            cores.move(end)
    cores.now += 86_400
    cores.tick()
    cores.settle()
    assert [(told.delivered, told.given_back) for told in (there, back)] == [(1, []), (1, [])]


def test_a_clock_that_jumps_a_day_ends_a_rest():
    cores = Cores(A, B)
    cores.send(A, B)
    cores.connect(key=b"\1" * 32)
    cores.now += 86_400
    cores.tick()
    told = cores.send(A, B)
    cores.settle()
    assert told.delivered


def test_a_clock_that_jumps_while_dialling_ends_the_dial():
    cores = Cores(A, B)
    told = cores.send(A, B)
    cores.now += 86_400
    cores.tick()
    assert error_of(told) == OFFLINE


def test_a_peer_that_never_takes_anything_is_given_up():
    cores = linked()
    told = cores.send(A, B, b"x" * 1000)
    began = cores.now
    while not told.given_back and cores.now < began + 300:
        cores.pass_time(15)
        for end in cores.open_ends():
            if end.node == A:
                cores.perform(A, cores.cores[A].received(end.number, b"", cores.now))
    assert error_of(told) == (SendErrorKind.Offline, Reason.node_unreachable, False)
    assert 90 <= cores.now - began <= 120


def test_beyond_the_limit_the_link_that_was_quiet_longest_makes_place():
    names = [f"n{number}.uq" for number in range(4)]
    cores = Cores(A, *names, limits=NetLimits(peers=2))
    for name in names:
        cores.send(A, name)
        cores.settle()
        cores.pass_time(1)
    assert [state_of(cores, A, name) for name in names] == ["idle", "idle", "up", "up"]
    assert all(told.delivered for told in cores.book.values())


def test_beyond_the_limit_of_busy_links_messages_and_links_are_refused():
    cores = Cores(A, B, "carol.uq", "dave.uq", limits=NetLimits(peers=1))
    cores.send(A, B)
    told = cores.send(A, "carol.uq")
    assert error_of(told) == REFUSED
    assert "1 nodes are connected" in told.given_back[0].refusal.detail
    turned = cores.send("dave.uq", A)
    cores.dials.rotate(1)
    cores.connect()
    for _ in range(10):
        for end in cores.open_ends():
            cores.move(end)
    assert error_of(turned) == REFUSED


def test_however_many_peers_talk_acknowledgements_are_seen_to_together():
    """To see to one costs a look at each link."""
    names = [f"n{number}.uq" for number in range(20)]
    cores = Cores(A, *names)
    for name in names:
        cores.send(name, A)
        cores.settle()
    for name in names:
        cores.send(name, A)
        for end in cores.open_ends():
            cores.move(end)
        cores.pass_time(ACK_SECONDS / 40)
    due = cores.cores[A].due
    assert cores.now < due < cores.now + ACK_SECONDS
    cores.pass_time(due - cores.now)
    assert cores.cores[A].due > cores.now + ACK_SECONDS
    cores.settle()
    cores.check_all_settled()


def test_only_so_many_sessions_without_a_link_are_remembered():
    names = [f"n{number}.uq" for number in range(5)]
    cores = Cores(A, *names, limits=NetLimits(remembered=2))
    for name in names:
        cores.send(A, name)
        cores.settle()
        for end in cores.open_ends():
            cores.cut(end)
        cores.settle()
    assert [state.name for state in cores.cores[A].peers(cores.now)] == names[-2:]
    cores.send(A, names[0])
    cores.settle()
    cores.check_laws()
    cores.check_all_settled()
