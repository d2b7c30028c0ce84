"""All deadlines of a node on one heap (DESIGN 2)."""

from __future__ import annotations

import attrs
import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from kernel.address import Address, ProcessId
from kernel.deadlines import Deadlines
from kernel.message import Payload, Request
from kernel.process import OpenRequest
from tests.support.kernel_node import kernel_node


@attrs.define(eq=False)
class Alarm:
    fired: list[tuple[float, str]]
    name: str
    settled: bool = False

    def fire(self) -> None:
        self.fired.append((trio.current_time(), self.name))


TIMES = st.lists(
    st.tuples(st.integers(0, 20), st.sampled_from(("keep", "settle before", "settle later"))), max_size=40
)


@given(TIMES, st.integers(0, 20))
async def test_what_is_not_settled_fires_once_in_order_of_time_then_of_its_coming(entries, later):
    fired: list[tuple[float, str]] = []
    deadlines = Deadlines()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(deadlines.run)
        alarms = [Alarm(fired, str(number)) for number in range(len(entries))]
        for alarm, (when, _) in zip(alarms, entries, strict=True):
            deadlines.add(when, alarm)
        for alarm, (_, fate) in zip(alarms, entries, strict=True):
            if fate == "settle before":
                alarm.settled = True
        await trio.sleep(later + 0.5)
        for alarm, (_, fate) in zip(alarms, entries, strict=True):
            if fate == "settle later":
                alarm.settled = True
        await trio.sleep(100)
        assert len(deadlines) == 0
        nursery.cancel_scope.cancel()
    expected = [
        (float(when), str(number))
        for number, (when, fate) in enumerate(entries)
        if fate == "keep" or (fate == "settle later" and when <= later)
    ]
    assert fired == sorted(expected, key=lambda entry: (entry[0], int(entry[1])))


async def test_an_earlier_deadline_wakes_the_sleeper_earlier():
    fired: list[tuple[float, str]] = []
    deadlines = Deadlines()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(deadlines.run)
        await trio.testing.wait_all_tasks_blocked()
        for when in (10, 5, 1):
            deadlines.add(when, Alarm(fired, str(when)))
        await trio.sleep(20)
        nursery.cancel_scope.cancel()
    assert fired == [(1, "1"), (5, "5"), (10, "10")]


async def test_a_deadline_that_has_passed_fires_at_once():
    fired: list[tuple[float, str]] = []
    deadlines = Deadlines()
    await trio.sleep(10)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(deadlines.run)
        deadlines.add(3, Alarm(fired, "late"))
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert fired == [(10, "late")]


async def test_what_fires_may_set_the_next():
    deadlines = Deadlines()
    fired: list[float] = []

    class Again:
        settled = False

        def fire(self) -> None:
            fired.append(trio.current_time())
            if len(fired) < 5:
                deadlines.add(trio.current_time() + 2, Again())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(deadlines.run)
        deadlines.add(2, Again())
        await trio.sleep(20)
        nursery.cancel_scope.cancel()
    assert fired == [2, 4, 6, 8, 10]


def test_settled_deadlines_do_not_pile_up():
    """A million answered Requests with long time limits must not stay in memory."""
    deadlines = Deadlines()
    deadlines.add(1, Alarm([], "first of all, and not settled"))
    for number in range(100_000):
        alarm = Alarm([], "")
        deadlines.add(1e6 + number % 7, alarm)
        alarm.settled = True
    assert len(deadlines) == 1
    assert len(deadlines._heap) < 10_000


async def test_settled_requests_behind_an_open_one_let_go_of_large_payloads():
    """One call that waits must not keep the bodies of all later ones in memory until its time is up."""
    async with kernel_node() as node:
        a, b = await node.puppets("a", "b")
        nobody = Address(b.address.node, ProcessId("nobody", "b", "test"))
        body = Payload(None, bytes(1024 * 1024))

        def step(calls) -> None:
            calls.send_request(b.address, Request(expects_response=10))
            for _ in range(300):
                calls.send_request(nobody, Request(expects_response=60), None, body)

        await a.do(step)
        heap = node.kernel.router.deadlines._heap
        held = [due.envelope.size for _, _, due in heap if isinstance(due, OpenRequest)]
        assert sum(held) <= 65 * 1024 * 1024
        assert len(node.kernel.router.deadlines) == 1


async def test_many_timeouts_at_one_moment_all_fire_in_the_order_sent():
    async with kernel_node() as node:
        a, b = await node.puppets("a", "b")

        def step(calls) -> None:
            for number in range(500):
                calls.send_request(b.address, Request(expects_response=3, ipc=str(number).encode()))

        await a.do(step)
        await trio.sleep(4)
        errors = await a.unread()
        assert [int(error.message.ipc) for error in errors] == list(range(500))


async def test_the_longest_time_limit_does_not_come():
    """A u64 of seconds."""
    async with kernel_node() as node:
        a, b = await node.puppets("a", "b")
        await a.send(b, expects=2**64 - 1)
        await trio.sleep(80_000)
        await b.receive()
        await b.respond(b"at last")
        assert (await a.receive()).ipc == b"at last"


async def test_a_time_limit_in_the_past_is_refused_at_the_call():
    async with kernel_node() as node:
        a, b = await node.puppets("a", "b")
        with pytest.raises(ValueError, match="from 0 up"):
            await a.ask(b, expects=-5)
