"""Order, fairness, and producers that would rather wait (PROTOCOL 0.4, 3.8; DESIGN 2)."""

from __future__ import annotations

import pytest
import trio

from kernel.address import Address
from kernel.errors import ProcessEnded
from kernel.mailbox import Limits
from kernel.message import OnExit, Payload, Reason, Request, SendError
from kernel.syscalls import Syscalls, current
from tests.kernel.pacing import paced, receive_some, request
from tests.support.kernel_node import NODE, Doing, KernelNode, Puppet, kernel_node


async def test_messages_of_one_sender_arrive_in_the_order_sent():
    """PROTOCOL 3.8."""
    async with kernel_node() as node:
        a, b = await node.puppets("a", "b")

        def step(calls: Syscalls) -> None:
            for number in range(1000):
                calls.send_request(b.address, request(number, 60 if number % 3 else None))

        await a.do(step)
        assert await receive_some(b, 1000) == list(range(1000))


async def test_a_message_wakes_who_waits_for_it():
    async with kernel_node() as node:
        a, b = await node.puppets("a", "b")
        receiving = b.begin_receive()
        await node.settle()
        assert not receiving.done.is_set()
        await a.send(b, b"1")
        await a.send(b, b"2")
        assert (await receiving.result()).ipc == b"1"
        assert (await b.receive()).ipc == b"2"


async def test_a_busy_receiver_lets_others_run():
    """docs/processes.md: every 64th message taken without waiting is a checkpoint."""
    turns: list[int] = []

    async def turn(calls: Syscalls) -> None:
        for number in range(1000):
            turns.append(number)
            await trio.lowlevel.checkpoint()

    async with kernel_node() as node:
        b, other = await node.puppets("b", "other")

        async def step(calls: Syscalls) -> int:
            for number in range(6400):
                calls.send_request(calls.our, request(number))
            before = len(turns)
            for _ in range(6400):
                await calls.receive()
            return len(turns) - before

        other.begin(turn)
        taken = b.begin(step)
        assert 90 <= await taken.result() <= 110


async def test_a_busy_paced_producer_lets_others_run():
    async with kernel_node() as node:
        a, b = await node.puppets("a", "b")
        producing = a.begin(paced(b, range(1000)))
        assert await receive_some(b, 1000) == list(range(1000))
        await producing.result()


# -- waiting for room


async def test_a_paced_producer_waits_for_room_and_loses_nothing():
    async with kernel_node() as node:
        a = await node.puppet("a")
        b = await node.puppet("b", limits=Limits(messages=3))
        producing = a.begin(paced(b, range(500)))
        await node.settle()
        assert not producing.done.is_set()
        assert node.mailbox(b.pid) == 3
        assert await receive_some(b, 500) == list(range(500))
        await producing.result()
        assert await a.unread() == []


async def test_a_paced_producer_waits_for_bytes():
    async with kernel_node() as node:
        a = await node.puppet("a")
        b = await node.puppet("b", limits=Limits(bytes=10))
        producing = a.begin(paced(b, range(5), payload=Payload(None, b"12345")))
        await node.settle()
        assert node.mailbox(b.pid) == 1
        assert await receive_some(b, 5) == list(range(5))
        await producing.result()


async def test_an_inherited_payload_counts_when_waiting_for_room():
    async with kernel_node() as node:
        a, c = await node.puppets("a", "c")
        b = await node.puppet("b", limits=Limits(bytes=10))
        await c.send(a, payload=Payload(None, b"1234567"))
        await a.receive()

        async def step(calls: Syscalls) -> None:
            for _ in range(2):
                await calls.send_paced(b.address, Request(inherit=True))

        producing = a.begin(step)
        await node.settle()
        assert (node.mailbox(b.pid), producing.done.is_set()) == (1, False)
        assert len(await b.unread()) == 1
        await producing.result()


async def test_what_could_never_fit_does_not_wait():
    async with kernel_node() as node:
        a = await node.puppet("a")
        b = await node.puppet("b", limits=Limits(bytes=10))
        await a.do(paced(b, range(1), payload=Payload(None, b"x" * 11)))
        with pytest.raises(SendError) as caught:
            await a.receive()
        assert caught.value.reason is Reason.too_large


async def waiting_line(node: KernelNode, b: Puppet, count: int) -> list[Doing[None]]:
    """So many senders wait for room in `b`, which is full; the first came first."""
    line = []
    for number in range(count):
        sender = await node.puppet(f"s{number}")
        line.append(sender.begin(paced(b, range(number, number + 1))))
        await node.settle()
    return line


async def test_waiting_senders_are_served_one_by_one_in_the_order_they_came():
    async with kernel_node() as node:
        b = await node.puppet("b", limits=Limits(messages=1))
        line = await waiting_line(node, b, 8)
        served = [await receive_some(b, 1) for _ in line]
        assert served == [[number] for number in range(8)]


async def test_waiting_senders_are_served_in_order_when_there_is_much_room_at_once():
    async with kernel_node() as node:
        filler = await node.puppet("filler")
        b = await node.puppet("b", limits=Limits(messages=12))
        await filler.do(paced(b, range(100, 112)))
        await waiting_line(node, b, 12)
        await receive_some(b, 12)
        assert await receive_some(b, 12) == list(range(12))


async def test_nobody_overtakes_a_sender_that_was_let_in():
    """First come, first served, also for who comes between the room and the turn of who waited for it."""
    async with kernel_node() as node:
        b = await node.puppet("b", limits=Limits(messages=1))
        late = await node.puppet("late")
        filler = await node.puppet("filler")
        for _ in range(12):
            gate = trio.Event()

            async def overtake(calls: Syscalls, gate: trio.Event = gate) -> None:
                await gate.wait()
                await calls.send_paced(b.address, request(2))

            async def take(calls: Syscalls, gate: trio.Event = gate) -> int:
                message = await calls.receive()
                gate.set()
                return int(message.ipc)

            await filler.do(paced(b, range(1)))
            waiting = filler.begin(paced(b, range(1, 2)))
            overtaking = late.begin(overtake)
            await node.settle()
            assert await b.do(take) == 0
            assert await receive_some(b, 2) == [1, 2]
            await waiting.result()
            await overtaking.result()


async def test_a_sender_that_leaves_the_line_does_not_hold_it_up():
    async with kernel_node() as node:
        b = await node.puppet("b", limits=Limits(messages=1))
        await waiting_line(node, b, 5)
        for number in (1, 3):
            await node.kill(Address(NODE, f"s{number}:test:test").process)
        assert [await receive_some(b, 1) for _ in range(3)] == [[0], [2], [4]]


async def test_a_sender_that_ended_in_the_line_passes_its_turn_on():
    """An abandoned sender is let in, can do nothing, and must not keep those behind it waiting."""
    async with kernel_node() as node:
        filler, last = await node.puppets("filler", "last")
        b = await node.puppet("b", limits=Limits(messages=1))
        await filler.do(paced(b, range(1)))

        async def shielded(calls: Syscalls) -> None:
            with trio.move_on_after(100, shield=True):
                await calls.send_paced(b.address, request(1))

        stubborn = await node.puppet("stubborn")
        stubborn.begin(shielded)
        await node.settle()
        behind = last.begin(paced(b, range(2, 3)))
        await node.kill(stubborn)
        await receive_some(b, 1)
        await node.settle()
        assert behind.done.is_set()
        assert await receive_some(b, 1) == [2]


async def test_a_big_message_at_the_head_of_the_line_waits_until_it_fits():
    async with kernel_node() as node:
        filler, big, small = await node.puppets("filler", "big", "small")
        b = await node.puppet("b", limits=Limits(bytes=10))
        await filler.do(paced(b, range(5), payload=Payload(None, b"1")))
        first = big.begin(paced(b, range(7, 8), payload=Payload(None, b"12345678")))
        await node.settle()
        second = small.begin(paced(b, range(8, 9)))
        await node.settle()
        await receive_some(b, 1)
        await receive_some(b, 1)
        assert not first.done.is_set()
        assert not second.done.is_set()
        assert await receive_some(b, 5) == [2, 3, 4, 7, 8]


@pytest.mark.parametrize("rule", [OnExit.none(), OnExit.restart()], ids=["none", "restart"])
async def test_who_waits_for_a_process_that_ends_goes_on(rule):
    async with kernel_node() as node:
        b = await node.puppet("b", limits=Limits(messages=1), on_exit=rule)
        line = await waiting_line(node, b, 4)
        b.finish()
        await node.settle()
        if rule.is_restart():
            # The next run takes them all.
            assert sorted([(await receive_some(b, 1))[0] for _ in range(3)]) == [1, 2, 3]
        for doing in line:
            await doing.result()
        back = [await node.known[f"s{number}:test:test"].unread() for number in range(4)]
        expected = [1, 0, 0, 0] if rule.is_restart() else [1, 1, 1, 1]
        assert [len(errors) for errors in back] == expected


@pytest.mark.parametrize("target", ["self", "absent", "closed", "remote"])
async def test_pacing_towards_who_has_no_room_to_wait_for_is_a_plain_send(target):
    async with kernel_node() as node:
        a = await node.puppet("a")
        closed = await node.puppet("closed", public=False)
        to = {
            "self": a.address,
            "absent": Address(NODE, "absent:test:test"),
            "closed": closed.address,
            "remote": Address("bob.uq", "b:b:b"),
        }[target]
        await a.do(lambda calls: calls.send_paced(to, Request(ipc=b"x")))
        [came] = await a.unread()
        assert isinstance(came, SendError) is (target != "self")


async def test_pacing_has_an_answer_like_every_request():
    async with kernel_node() as node:
        a, b = await node.puppets("a", "b")
        await a.do(lambda calls: calls.send_paced(b.address, request(1, 60), b"context"))
        await b.receive()
        await b.respond(b"answer")
        message = await a.receive()
        assert (message.ipc, message.context) == (b"answer", b"context")


async def test_a_sender_that_was_let_in_as_its_receiver_ends_goes_on_with_the_rest():
    async with kernel_node() as node:
        s = await node.puppet("s")
        gate = trio.Event()

        async def init(our: Address) -> None:
            await gate.wait()
            await current().receive()
            raise ValueError("in the same step")

        process = node.create("b", init, public=True, limits=Limits(messages=1))
        node.kernel.lifecycle.start(process)
        target = Puppet(node, process.pid)
        producing = s.begin(paced(target, range(2)))
        await node.settle()
        assert not producing.done.is_set()
        gate.set()
        await producing.result()
        assert [error.reason for error in await s.unread()] == [Reason.no_such_process]


async def test_a_receive_that_yields_while_the_process_is_abandoned_gets_nothing():
    """What it had not read went back to its sender as certainly not handled."""
    raised: list[BaseException] = []
    async with kernel_node() as node:
        a = await node.puppet("a")

        async def init(our: Address) -> None:
            with trio.CancelScope(shield=True):
                await trio.sleep(2)
                try:
                    while True:
                        await current().receive()
                except ProcessEnded as error:
                    raised.append(error)

        process = await node.start("b", init)
        for number in range(200):
            a.begin(lambda calls, number=number: calls.send_request(process.address, request(number)))
        await node.settle()
        await node.kill(process.pid)
        await node.settle()
        assert len(raised) == 1
        returned = [int(error.message.ipc) for error in await a.unread()]
        assert returned in (list(range(64, 200)), list(range(200)))


async def test_what_was_not_received_can_be_seen_and_is_still_there():
    async with kernel_node() as node:
        a, b = await node.puppets("a", "b")
        mailbox = node.kernel.router.processes[b.pid].mailbox
        assert mailbox.unread() == []
        await a.send(b, b"1")
        await a.send(b, b"2")
        assert [item.message.ipc for item in mailbox.unread()] == [b"1", b"2"]
        assert not mailbox.is_awaited
        assert [(await b.receive()).ipc, (await b.receive()).ipc] == [b"1", b"2"]
        receiving = b.begin_receive()
        await node.settle()
        assert mailbox.is_awaited
        await a.send(b, b"3")
        await receiving.result()
        assert not mailbox.is_awaited
