"""What cores decide about routers: links that are kept, who is let through, who is asked to come."""

from __future__ import annotations

import pytest

from sys_processes.net.conversation import ROUTER_SHARE
from sys_processes.net.frames import Bye, Challenge, Relay, encode
from sys_processes.net.passages import RETURN_SECONDS, Asker, NoPassage
from sys_processes.net.routing import RouteStatement
from sys_processes.net.table import NetLimits
from tests.sys_processes.net.between_cores import A, B, Cores, Stranger, hello, key_of, linked, state_of

C, D, E = "carol.uq", "dave.uq", "eve.uq"
NONCE = b"n" * 32


def routed(*names: str, passages: int = 2, routers: tuple[str, ...] = (B,), **limits: int) -> Cores:
    """Carol and dave have only bob, and their links with him are up."""
    cores = Cores(
        *names,
        routed={name: routers for name in names if name in {C, D}},
        limits=NetLimits(passages=passages, **limits),
    )
    cores.start()
    cores.settle()
    return cores


def ask_bob(cores: Cores, target: str = C, *, source: str = A, signer: str = A, router: str = B, nonce=NONCE):
    """To let alice through to carol."""
    signature = key_of(signer).sign(RouteStatement(source, target, router, nonce).signed_bytes())
    bob = cores.cores[B]
    asker = bob.passages.prove(source, target, NONCE, signature)
    if isinstance(asker, NoPassage):
        return asker
    granted, effects = bob.pass_on(asker, cores.now)
    cores.perform(B, effects)
    return granted


def until_dialled(cores: Cores) -> None:
    while not cores.dials:
        cores.pass_time(0.5)


# -- links that are kept


def test_a_link_with_a_router_is_dialled_at_the_start_and_again_when_it_is_lost():
    cores = routed(B, C)
    assert state_of(cores, C, B) == "up"
    cores.cut(cores.open_ends()[0])
    cores.settle()
    assert state_of(cores, C, B) == "up"


def test_a_link_with_a_router_is_never_closed_because_it_is_idle():
    cores = routed(B, C)
    for _ in range(150):
        cores.pass_time(20)
        cores.settle()
    assert state_of(cores, C, B) == state_of(cores, B, C) == "up"
    assert len(cores.open_ends()) == 2


def test_a_link_with_a_router_is_never_closed_to_make_place():
    cores = routed(A, B, C, D, peers=2)
    told = cores.send(B, A)
    cores.settle()
    assert told.given_back
    assert state_of(cores, B, C) == state_of(cores, B, D) == "up"


def test_a_router_that_cannot_be_reached_is_tried_after_two_seconds_then_longer_up_to_a_minute():
    cores = Cores(B, C, routed={C: (B,)})
    cores.start()
    pauses = []
    for _ in range(8):
        assert len(cores.dials) == 1
        cores.refuse_dial()
        began = cores.now
        until_dialled(cores)
        pauses.append(cores.now - began)
    bounds = [(1.5, 3), (3, 5.5), (6, 10.5), (12, 20.5), (24, 40.5), *[(45, 75.5)] * 3]
    assert [low <= pause <= high for pause, (low, high) in zip(pauses, bounds, strict=True)] == [True] * 8


def test_a_link_that_lived_for_a_while_makes_the_next_pause_a_short_one():
    cores = Cores(B, C, routed={C: (B,)})
    cores.start()
    for _ in range(6):
        cores.refuse_dial()
        until_dialled(cores)
    cores.settle()
    cores.pass_time(31)
    cores.settle()
    cores.cut(cores.open_ends()[0])
    for end in cores.open_ends():
        cores.move(end)
    cores.refuse_dial()
    cores.pass_time(3.1)
    assert len(cores.dials) == 1


# -- who is dialled how


def test_a_dial_names_the_routers_of_the_target_in_its_order():
    cores = Cores(A, B, C, D, routed={D: (C, "nobody.uq", B)})
    cores.send(A, D)
    [(_, dial)] = cores.dials
    assert [router.name for router in dial.routers] == [C, B]


def test_a_router_does_not_dial_who_is_reached_through_it_but_waits_for_him():
    cores = Cores(B, C, routed={C: (B,)}, limits=NetLimits(passages=1))
    told = cores.send(B, C)
    assert not cores.dials
    assert state_of(cores, B, C) == "connecting"
    cores.start()
    cores.settle()
    assert told.delivered


# -- who is let through


def test_who_is_known_is_let_through_and_the_target_is_told():
    cores = routed(A, B, C)
    token = ask_bob(cores)
    cores.settle()
    [(who, come)] = cores.asked_to_come
    assert (who, come.router, come.token) == (C, cores.records[B], token)


@pytest.mark.parametrize(
    "wrong",
    [
        {"source": "nobody.uq"},
        {"signer": C},
        {"router": C},
        {"nonce": b"m" * 32},
    ],
    ids=["an unknown node", "another key", "for another router", "from another time"],
)
def test_who_does_not_prove_who_he_is_gets_nowhere_and_learns_nothing(wrong):
    """C-166."""
    cores = routed(A, B, C)
    source = wrong.get("source", A)
    refused = {ask_bob(cores, target, **wrong) for target in (C, A, "unheard-of.uq")}
    assert refused == {NoPassage(f"{B} does not know {source!r} by the key that signed")}
    cores.settle()
    assert not cores.asked_to_come


def test_who_is_not_reached_through_the_router_is_not_asked_to_come():
    cores = routed(A, B, C)
    cores.send(A, B)
    cores.settle()
    for target in (A, "nobody.uq"):
        assert ask_bob(cores, target) == NoPassage(f"{target!r} is not reached through {B}")
    assert ask_bob(routed(A, B, C, passages=0)) == NoPassage(f"{B} relays for nobody")


def test_a_target_without_a_link_is_not_connected():
    cores = Cores(A, B, C, routed={C: (B,)}, limits=NetLimits(passages=1))
    assert ask_bob(cores) == NoPassage(f"{C} is not connected to {B}")


def test_a_target_that_has_just_lost_its_link_may_return():
    cores = routed(A, B, C)
    cores.cut(cores.open_ends()[0])
    for end in cores.open_ends():
        cores.move(end)
    no = f"{C} is not connected to {B}"
    assert ask_bob(cores) == NoPassage(no, may_return=True)
    cores.now += RETURN_SECONDS
    assert ask_bob(cores) == NoPassage(no)
    cores.settle()
    assert isinstance(ask_bob(cores), bytes)


def test_there_is_room_for_so_many_and_again_when_one_is_over():
    cores = routed(A, B, C, D, E)
    assert ask_bob(cores) != ask_bob(cores, source=E, signer=E)
    assert ask_bob(cores, D) == NoPassage(f"{B} has no room: 2 at a time go through it")
    cores.cores[B].passages.over(Asker(A, C))
    assert isinstance(ask_bob(cores, D), bytes)


def test_who_asks_again_takes_the_place_that_he_had():
    cores = routed(A, B, C, E, passages=1)
    assert ask_bob(cores) != ask_bob(cores)
    cores.cores[B].passages.over(Asker(A, C))
    assert isinstance(ask_bob(cores, source=E, signer=E), NoPassage)
    cores.cores[B].passages.over(Asker(A, C))
    assert isinstance(ask_bob(cores, source=E, signer=E), bytes)


# -- who is asked to come


def test_only_a_router_of_ours_may_ask_us_to_come():
    cores = linked()
    [end] = [end for end in cores.open_ends() if end.node == A]
    end.arriving += encode(Relay(b"t" * 32))
    cores.settle()
    assert not cores.asked_to_come
    assert any(f"{B} is no router of {A}" in report for report in cores.reports)


def test_who_does_not_prove_who_he_is_within_five_seconds_is_left():
    cores = routed(A, B, C)
    ask_bob(cores)
    cores.settle()
    [(_, come)] = cores.asked_to_come
    assert come.link in cores.cores[C]._table.links
    cores.pass_time(6)
    assert come.link not in cores.cores[C]._table.links
    assert state_of(cores, C, B) == "up"


def test_a_router_cannot_make_a_node_come_to_more_than_a_few_at_a_time():
    cores = routed(A, B, C, greetings=12)
    for _ in range(20):
        ask_bob(cores)
    cores.settle()
    assert len(cores.asked_to_come) == 12 // ROUTER_SHARE
    # Somebody else still gets in.
    stranger = Stranger(cores, C)
    stranger.say(hello(A, C))
    assert isinstance(stranger.heard()[-1], Challenge)
    cores.pass_time(6)
    ask_bob(cores)
    cores.settle()
    assert len(cores.asked_to_come) == 12 // ROUTER_SHARE + 1


def test_after_a_failure_another_router_is_the_first_to_be_tried():
    cores = Cores(A, B, C, D, routed={D: (B, C)})
    first = []
    for _ in range(4):
        cores.send(A, D)
        [(_, dial)] = cores.dials
        first.append(dial.routers[0].name)
        cores.refuse_dial()
        cores.pass_time(80)
    assert first == [B, C, B, C]


def test_a_relay_from_somebody_who_has_not_proven_who_he_is_ends_the_link():
    cores = routed(B, C)
    stranger = Stranger(cores, C)
    stranger.say(encode(Relay(b"t" * 32)))
    assert stranger.is_closed
    assert isinstance(stranger.heard()[-1], Bye)
    assert not cores.asked_to_come
