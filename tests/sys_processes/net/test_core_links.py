"""How links begin and end: who is let in, two dials at once, deadlines, silence (PROTOCOL 9.3, 9.4)."""

from __future__ import annotations

import attrs
import pytest

from sys_processes.net.frames import Ack, Bye, Challenge, Goodbye, Ping, Proof, Session, encode
from sys_processes.net.identity import LinkStatement
from sys_processes.net.table import NetLimits
from tests.sys_processes.net.between_cores import (
    OFFLINE,
    REFUSED,
    A,
    B,
    Cores,
    Stranger,
    error_of,
    hello,
    key_of,
    linked,
    record_of,
    state_of,
)

# -- beginning


def test_a_message_dials_and_both_directions_use_the_link():
    """C-164."""
    cores = linked()
    answer = cores.send(B, A)
    cores.settle()
    assert [told.delivered for told in cores.book.values()] == [1, 1]
    assert answer.given_back == []
    assert not cores.dials
    assert (state_of(cores, A, B), state_of(cores, B, A)) == ("up", "up")


def test_there_is_one_dial_for_all_that_waits():
    """F-103."""
    cores = Cores(A, B)
    for _ in range(50):
        cores.send(A, B)
    assert len(cores.dials) == 1
    cores.settle()
    assert cores.order[A, B] == sorted(cores.book)
    assert len(cores.book) == 50


def test_an_unknown_name_is_offline_at_once():
    cores = Cores(A)
    told = cores.send(A, "nobody.uq")
    assert error_of(told) == OFFLINE
    assert "peers file" in told.given_back[0].refusal.detail


def test_a_dial_that_fails_returns_all_that_waits_and_is_certain():
    """C-168."""
    cores = Cores(A, B)
    told = [cores.send(A, B) for _ in range(3)]
    cores.refuse_dial("connection refused")
    assert [error_of(one) for one in told] == [OFFLINE] * 3
    assert "connection refused" in told[0].given_back[0].refusal.detail


def test_a_dial_without_an_answer_ends_after_five_seconds():
    """C-168: within 6 s."""
    cores = Cores(A, B)
    told = cores.send(A, B)
    cores.pass_time(4.9)
    assert told.given_back == []
    cores.pass_time(0.1)
    assert error_of(told) == OFFLINE
    assert not cores.dials


def test_what_overtakes_the_welcome_ends_the_link_and_not_the_node():
    """C-168: who is there is proven; what it says comes again on the next link, with no rest before it."""
    cores = Cores(A, B)
    told = cores.send(A, B)
    near, far = cores.connect()
    for end in (far, near, far):
        cores.move(end)
    welcome_and_ping = bytes(near.arriving)
    near.arriving[:] = encode(Ping(1))
    cores.move(near)
    assert b"welcome" in welcome_and_ping
    assert told.given_back == []
    assert cores.reports == ["closed the link of bob.uq: Ping came before the welcome"]
    cores.settle()
    assert (told.delivered, told.given_back) == (1, [])


def test_a_handshake_that_stops_in_the_middle_ends_after_five_seconds_on_both_sides():
    """A slow loris."""
    cores = Cores(A, B)
    told = cores.send(A, B)
    _, far = cores.connect()
    for _ in range(4):
        cores.move(far, 1)
        cores.pass_time(1.2)
    assert told.given_back == []
    cores.pass_time(0.3)
    assert error_of(told) == OFFLINE
    assert cores.open_ends() == []


def test_a_peer_with_another_key_is_refused_before_a_byte_is_said():
    """C-166: the dialled side."""
    cores = Cores(A, B)
    told = cores.send(A, B)
    _, far = cores.connect(key=key_of("mallory.uq").public_key().public_bytes_raw())
    assert bytes(far.arriving) == b""
    assert error_of(told) == REFUSED
    assert "the key there is" in told.given_back[0].refusal.detail


def test_a_dialler_whose_key_differs_from_the_registered_one_is_refused():
    """C-166: the dialling side. It learns that its name and key are not known together, and our log why."""
    cores = Cores(A, B)
    told = cores.send(A, B)
    cores.connect()
    cores.records[A] = attrs.evolve(record_of(A), public_key=b"\1" * 32)
    cores.settle()
    assert error_of(told) == REFUSED
    shown = f"no node 'alice.uq' with the key {record_of(A).key_hex} is known; the log of bob.uq says more"
    assert told.given_back[0].refusal.detail == f"no link with bob.uq: it says: {shown}"
    assert any(line.startswith("refused a link: the key of alice.uq is 0x0101") for line in cores.reports)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (hello(to="carol.uq"), "'carol.uq' is wanted, who is not here"),
        (hello(version=2), "version 2 is spoken there, 1 here"),
    ],
)
def test_who_wants_another_node_or_another_version_is_told_and_closed(said, told):
    cores = Cores(A, B)
    stranger = Stranger(cores)
    stranger.say(said)
    assert stranger.heard() == [Bye(Goodbye.refused, told)]
    assert stranger.is_closed


def session_of(cores: Cores) -> Session:
    return next(iter(cores.cores[A]._table.peers.values())).session()


NAMES = ("mallory.uq", A, B, "our")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("key", ["mallory.uq", A])
@pytest.mark.parametrize("signer", ["mallory.uq", "nobody.uq"])
def test_a_stranger_learns_neither_which_names_are_known_nor_which_keys(name, key, signer):
    """C-166: the answers depend on nothing but what was said."""
    cores = linked()
    stranger = Stranger(cores)
    public = key_of(key).public_key().public_bytes_raw()
    stranger.say(hello(name, key=public))
    [challenge] = stranger.heard()
    statement = LinkStatement(name, public, B, record_of(B).public_key, challenge.nonce)
    stranger.say(encode(Proof(key_of(signer).sign(statement.signed_bytes()), session_of(cores))))
    told = f"no node {name!r} with the key 0x{public.hex()} is known; the log of bob.uq says more"
    assert stranger.heard() == [Bye(Goodbye.refused, told)]
    assert stranger.is_closed
    assert state_of(cores, B, A) == "up"


def test_the_log_says_what_strangers_are_not_told():
    cores = linked()
    mallory = key_of("mallory.uq")
    for name, signer in ((A, mallory), (A, key_of(A)), (B, mallory), ("dave.uq", mallory)):
        stranger = Stranger(cores)
        stranger.say(hello(name, key=mallory.public_key().public_bytes_raw()))
        [challenge] = stranger.heard()
        statement = LinkStatement(
            name, mallory.public_key().public_bytes_raw(), B, record_of(B).public_key, challenge.nonce
        )
        stranger.say(encode(Proof(signer.sign(statement.signed_bytes()), session_of(cores))))
    key = f"0x{mallory.public_key().public_bytes_raw().hex()}"
    assert cores.reports == [
        f"refused a link: the key of alice.uq is {record_of(A).key_hex} here, not {key}",
        f"refused a link: 'alice.uq' is not proven: another key than {key} signed",
        f"refused a link: {key} comes by our own name",
        "refused a link: no node 'dave.uq' is known here",
    ]


def test_a_proof_that_was_good_for_another_link_is_refused():
    """Replayed: each link has its own nonce."""
    cores = Cores(A, B)
    cores.send(A, B)
    _, far = cores.connect()
    heard = bytearray()
    while far.other.arriving or far.arriving:
        heard += far.arriving
        cores.move(far)
        cores.move(far.other)
    stranger = Stranger(cores)
    stranger.say(bytes(heard))
    challenge, bye = stranger.heard()
    assert (challenge.name, bye.reason) == (B, Goodbye.refused)
    assert any("is not proven" in line for line in cores.reports)
    assert state_of(cores, B, A) == "up"


@pytest.mark.parametrize(
    "garbage",
    [b"GET / HTTP/1.1\r\n\r\n", b"\0\0\0\1\xc1", encode(Ack(1)), b"\xff" * 10, encode(Bye(Goodbye.idle))],
)
def test_garbage_closes_a_link_that_nobody_has_proven(garbage):
    cores = linked()
    stranger = Stranger(cores)
    stranger.say(garbage)
    assert stranger.is_closed
    cores.send(A, B)
    cores.settle()
    assert all(told.delivered for told in cores.book.values())


def test_a_big_frame_before_the_proof_is_refused():
    cores = Cores(A, B)
    stranger = Stranger(cores)
    stranger.say((10_000).to_bytes(4, "big"))
    [bye] = stranger.heard()
    assert "4096 at most" in bye.detail
    assert stranger.is_closed


def test_strangers_that_say_nothing_are_closed_after_five_seconds_and_only_so_many_are_heard():
    cores = Cores(A, B, limits=NetLimits(greetings=2))
    quiet = [Stranger(cores) for _ in range(3)]
    assert [one.is_closed for one in quiet] == [False, False, True]
    assert quiet[2].heard() == [Bye(Goodbye.busy)]
    cores.pass_time(5)
    assert all(one.is_closed for one in quiet)
    cores.send(A, B)
    cores.settle()
    assert cores.book[1].delivered


def test_another_node_at_the_address_is_given_no_proof():
    cores = Cores(A, B)
    told = cores.send(A, B)
    near, far = cores.connect()
    far.arriving.clear()
    near.arriving += encode(Challenge("carol.uq", b"\1" * 32))
    cores.move(near)
    assert error_of(told) == REFUSED
    assert "'carol.uq' answers there, not bob.uq" in told.given_back[0].refusal.detail
    assert b"proof" not in far.arriving


# -- both at once


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("order", [0, 1])
def test_two_dials_at_once_become_one_link_and_nothing_is_lost(first, order):
    cores = Cores(A, B)
    told = [cores.send(A, B), cores.send(B, A)]
    cores.dials.rotate(first)
    cores.connect()
    if cores.dials:
        cores.connect()
    for _ in range(200):
        ends = [end for end in cores.open_ends() if end.arriving or end.ended]
        if ends:
            cores.move(ends[-1 if order else 0])
    cores.settle()
    assert [one.delivered for one in told] == [1, 1]
    assert len(cores.open_ends()) == 2
    cores.check_laws()


def test_the_smaller_name_turns_the_other_dial_away_and_that_side_waits_for_its_link():
    cores = Cores(A, B)
    told = cores.send(A, B)
    near, _ = cores.connect()
    waits = cores.send(B, A)
    cores.connect()
    for _ in range(20):
        for end in cores.open_ends():
            if end not in {near, near.other}:
                cores.move(end)
    assert state_of(cores, B, A) == "connecting"
    assert waits.given_back == []
    cores.settle()
    assert (told.delivered, waits.delivered) == (1, 1)


def test_who_was_turned_away_hears_offline_when_the_other_link_never_comes():
    cores = Cores(A, B)
    cores.send(A, B)
    near, _ = cores.connect()
    waits = cores.send(B, A)
    cores.connect()
    for _ in range(20):
        for end in cores.open_ends():
            if end not in {near, near.other}:
                cores.move(end)
    del cores.ends[near.other.node, near.other.number]
    cores.pass_time(5)
    assert error_of(waits) == OFFLINE


def test_a_dial_by_who_saw_the_link_end_replaces_it_at_who_did_not():
    cores = linked()
    for end in cores.open_ends():
        if end.node == B:
            cores.cut(end)
            cores.move(end)
    told = cores.send(B, A)
    cores.connect()
    while not told.delivered:
        for end in cores.open_ends():
            if end.arriving:
                cores.move(end)
    assert state_of(cores, A, B) == "up"
    cores.settle()
    assert len(cores.open_ends()) == 2


def test_a_proof_from_before_the_link_that_is_up_does_not_replace_it():
    cores = Cores(A, B)
    cores.send(B, A)
    near, far = cores.connect()
    cores.move(far)
    cores.move(near)  # bob's proof is under way, and late
    cores.send(A, B)
    _, other = cores.connect()
    for _ in range(6):
        for end in (other, other.other):
            cores.move(end)
    assert (state_of(cores, A, B), state_of(cores, B, A)) == ("up", "up")
    cores.move(far)
    assert state_of(cores, A, B) == "up"
    cores.settle()
    assert len(cores.open_ends()) == 2
    assert [told.delivered for told in cores.book.values()] == [1, 1]
    assert other in cores.open_ends()
