"""Messages between nodes are matched from send to arrival (docs/nodes.md)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kernel.address import Address
from kernel.message import KernelMessage, Request, Response
from runtime.sim.crossings import CARRY_SECONDS, Crossings

A, B = Address.from_str("a.uq@a:app:me"), Address.from_str("b.uq@b:app:me")


def message(number: int = 1, *, answer: bool = False) -> KernelMessage:
    return KernelMessage(number, A, B, None, Response() if answer else Request())


def test_an_arrival_finds_its_send_once_by_another_envelope():
    crossings = Crossings()
    crossings.send(message(), 3, 17, 0.0)
    found = crossings.arrive(message(), "b.uq", 1.0)
    assert found is not None
    assert (found.boot, found.number) == (3, 17)
    assert crossings.arrive(message(), "b.uq", 1.0) is None


@given(st.lists(st.sampled_from(["send", "arrive"])))
def test_a_relay_may_send_the_same_again_and_then_it_may_arrive_again(steps):
    crossings, under_way = Crossings(), 0
    for number, step in enumerate(steps):
        if step == "send":
            crossings.send(message(), 0, number, 0.0)
            under_way += 1
        else:
            assert (crossings.arrive(message(), "b.uq", 0.0) is not None) is (under_way > 0)
            under_way = max(under_way - 1, 0)


def test_requests_and_responses_of_one_id_are_others_and_so_are_other_nodes():
    crossings = Crossings()
    crossings.send(message(), 0, 0, 0.0)
    assert crossings.arrive(message(answer=True), "b.uq", 0.0) is None
    assert crossings.arrive(message(), "c.uq", 0.0) is None
    assert crossings.arrive(message(2), "b.uq", 0.0) is None


def test_what_neither_arrives_nor_comes_back_is_stuck_unless_others_get_across():
    crossings = Crossings()
    lost = message()
    crossings.send(lost, 0, 5, 0.0)
    assert list(crossings.under_way()) == [("a.uq", "b.uq")]
    assert crossings.stuck(CARRY_SECONDS) is None
    found = crossings.stuck(CARRY_SECONDS + 1)
    assert found is not None
    assert found.number == 5
    crossings.send(message(2), 0, 6, 100.0)
    crossings.arrive(message(2), "b.uq", 100.0)
    assert crossings.stuck(CARRY_SECONDS + 1) is None
    crossings.resume("a.uq", 500.0)
    assert crossings.stuck(CARRY_SECONDS + 400) is None
    assert crossings.stuck(CARRY_SECONDS + 501) is not None
    crossings.give_back(lost)
    assert list(crossings.under_way()) == []
    assert crossings.stuck(1e9) is None


def test_a_node_that_is_gone_owes_nothing_and_what_it_sent_may_still_arrive():
    crossings = Crossings()
    crossings.send(message(), 0, 5, 0.0)
    crossings.forget("a.uq")
    assert crossings.stuck(1e9) is None
    assert crossings.arrive(message(), "b.uq", 1.0) is not None
