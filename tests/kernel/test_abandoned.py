"""Processes that do not end when asked have two seconds; then the node goes on without them (docs/processes.md)."""

from __future__ import annotations

import pytest
import trio
import trio.lowlevel

from kernel.address import Address
from kernel.errors import ProcessEnded
from kernel.message import OnExit, Payload, Reason, Request, Response, SendError
from kernel.syscalls import Syscalls, current
from tests.support.kernel_node import NODE, kernel_node, pid_of
from tests.support.shelf import Code

STUBBORN = pid_of("stubborn")


async def shielded(calls: Syscalls) -> None:
    with trio.CancelScope(shield=True):
        await trio.sleep(10)


async def heedless(calls: Syscalls) -> None:
    try:
        await trio.sleep_forever()
    except trio.Cancelled:
        with trio.CancelScope(shield=True):
            await trio.sleep(10)


async def in_a_nursery(calls: Syscalls) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(shielded, calls)


@pytest.mark.parametrize("refuse", [shielded, heedless, in_a_nursery])
async def test_a_process_that_does_not_end_is_abandoned_after_two_seconds(refuse):
    async with kernel_node() as node:

        async def init(our: Address) -> None:
            await refuse(current())

        process = await node.start("stubborn", init)
        started = trio.current_time()
        await node.kill(STUBBORN)
        assert trio.current_time() - started == pytest.approx(2)
        assert node.state(STUBBORN) is None
        assert node.causes(STUBBORN) == ["KILLED"]
        assert any(line.verbosity == 0 and "abandoned" in line.text for line in node.console.recent())
        await trio.sleep(20)
        assert node.causes(process.pid) == ["KILLED"]


async def test_a_shutdown_leaves_without_those_that_stay_and_names_them():
    """DESIGN 2: Timeout is greater than Cancelled."""
    async with kernel_node() as node:

        async def init(our: Address) -> None:
            await shielded(current())

        await node.start("stubborn", init)
        await node.puppet("willing")
        started = trio.current_time()
        assert await node.kernel.stop() == [STUBBORN]
        assert trio.current_time() - started == pytest.approx(2)
        assert node.causes(STUBBORN) == ["TIMEOUT"]


async def test_a_leftover_child_that_does_not_end_is_a_timeout():
    async with kernel_node() as node:

        async def init(our: Address) -> None:
            current().start_soon(shielded, current())
            await trio.lowlevel.checkpoint()

        await node.start("stubborn", init)
        await trio.sleep(1.9)
        assert node.state(STUBBORN) == "running"
        await trio.sleep(0.2)
        assert node.causes(STUBBORN) == ["TIMEOUT"]


async def test_a_crash_of_a_child_gives_a_stubborn_main_task_two_seconds():
    """A crash of a child is a crash of the process, whatever its main task says."""

    async def falls() -> None:
        raise ValueError("child")

    async with kernel_node() as node:

        async def init(our: Address) -> None:
            current().start_soon(falls)
            await shielded(current())

        await node.start("stubborn", init)
        await trio.sleep(2.1)
        assert node.causes(STUBBORN) == ["CRASH"]


async def test_a_crash_of_a_child_ends_the_other_children_at_once():
    ended: list[float] = []

    async def falls() -> None:
        raise ValueError("child")

    async def sibling() -> None:
        try:
            await trio.sleep_forever()
        finally:
            ended.append(trio.current_time())

    async with kernel_node() as node:
        started = trio.current_time()

        async def init(our: Address) -> None:
            current().start_soon(sibling)
            await trio.lowlevel.checkpoint()
            current().start_soon(falls)
            await shielded(current())

        await node.start("stubborn", init)
        await trio.sleep(3)
        assert ended == [started]


async def test_a_child_started_while_the_process_ends_does_not_hold_it():
    late: list[str] = []

    async def grandchild() -> None:
        await trio.sleep_forever()

    async def child() -> None:
        try:
            await trio.sleep_forever()
        finally:
            current().start_soon(grandchild)
            late.append("started")

    async with kernel_node() as node:

        async def init(our: Address) -> None:
            current().start_soon(child)
            await trio.sleep_forever()

        process = await node.start("a", init)
        started = trio.current_time()
        await node.kill(process.pid)
        assert late == ["started"]
        assert trio.current_time() == started
        assert node.causes(process.pid) == ["KILLED"]


CALLS = {
    "receive": lambda c: c.receive(),
    "get_payload": lambda c: c.get_payload(),
    "last_payload": lambda c: c.last_payload(),
    "send_request": lambda c: c.send_request(c.our, Request()),
    "send_requests": lambda c: c.send_requests([(c.our, Request(), None, None)]),
    "send_paced": lambda c: c.send_paced(c.our, Request()),
    "send_response": lambda c: c.send_response(Response()),
    "ask": lambda c: c.send_and_await_response(Address(NODE, "x:y:z"), Request(expects_response=1)),
    "get_state": lambda c: c.get_state(),
    "set_state": lambda c: c.set_state(b""),
    "clear_state": lambda c: c.clear_state(),
    "spawn": lambda c: c.spawn("child", "/child.py", OnExit.none()),
    "set_on_exit": lambda c: c.set_on_exit(OnExit.restart()),
    "get_on_exit": lambda c: c.get_on_exit(),
    "print_to_terminal": lambda c: c.print_to_terminal(0, "still here"),
    "our_capabilities": lambda c: c.our_capabilities(),
    "get_capability": lambda c: c.get_capability(c.our, "1"),
    "can_message": lambda c: c.can_message(c.our),
    "attach_capability": lambda c: c.attach_capability(None),
    "save_capabilities": lambda c: c.save_capabilities([]),
    "drop_capabilities": lambda c: c.drop_capabilities([]),
    "has_capability": lambda c: c.has_capability("1"),
    "create_capability": lambda c: c.create_capability(pid_of("other"), "1"),
    "share_capability": lambda c: c.share_capability(pid_of("other"), None),
    "start_soon": lambda c: c.start_soon(trio.sleep, 0),
    "now": lambda c: c.now(),
    "sleep": lambda c: c.sleep(0),
    "random": lambda c: c.random(),
    "draw": lambda c: c.draw("label", 8),
    "secret": lambda c: c.secret("label", 8),
    "trace": lambda c: c.trace("label"),
    "is_running": lambda c: c.is_running(STUBBORN),
    "has_room": lambda c: c.has_room(STUBBORN, 1),
    "watch": lambda c: c.watch(pid_of("other")),
    "unwatch": lambda c: c.unwatch(pid_of("other")),
    "watch_exits": lambda c: c.watch_exits(print),
    "deliver_remote": lambda c: c.deliver_remote(None),
    "give_back": lambda c: c.give_back(None, None, definite=True),
}


@pytest.mark.parametrize("call", CALLS)
async def test_a_later_call_of_an_abandoned_process_raises(call):
    """docs/processes.md: each later call of it raises `ProcessEnded`, and does nothing."""
    raised: list[BaseException] = []

    async with kernel_node() as node:
        other = await node.puppet("other")

        async def init(our: Address) -> None:
            calls = current()
            await shielded(calls)
            node.events.clear()
            try:
                with trio.CancelScope(shield=True):
                    found = CALLS[call](calls)
                    if hasattr(found, "__await__"):
                        await found
            except BaseException as error:
                raised.append(error)
                raise

        await node.start("stubborn", init)
        await node.kill(STUBBORN)
        await trio.sleep(20)
        assert [type(error) for error in raised] == [ProcessEnded]
        assert [event.kind for event in node.events if event.subject == STUBBORN] in ([], ["printed"])
        assert await other.unread() == []


async def test_an_abandoned_process_that_restarts_runs_beside_its_remains():
    runs: list[float] = []

    async with kernel_node() as node:

        async def init(our: Address) -> None:
            runs.append(trio.current_time())
            current().start_soon(shielded, current())
            await trio.sleep(0.5 if len(runs) == 1 else 1000)

        process = await node.start("stubborn", init, on_exit=OnExit.restart())
        a = await node.puppet("a")
        await trio.sleep(4)
        assert len(runs) == 2
        await a.send(process.address, b"for the new one")
        await trio.sleep(20)
        assert node.causes(STUBBORN) == ["TIMEOUT"]
        assert node.mailbox(STUBBORN) == 1


async def test_a_message_that_waited_for_an_abandoned_process_comes_back():
    async with kernel_node() as node:
        a = await node.puppet("a")

        async def init(our: Address) -> None:
            await shielded(current())

        process = await node.start("stubborn", init)
        asked = a.begin_ask(process.address, b"unread")
        await node.kill(STUBBORN)
        with pytest.raises(SendError) as caught:
            await asked.result()
        assert (caught.value.reason, caught.value.definite) == (Reason.process_exited, True)


async def test_a_spawn_under_way_makes_no_child_of_an_abandoned_process():
    """Nothing it asks is done any more."""
    gate = trio.Event()
    raised: list[BaseException] = []

    async with kernel_node() as node:
        node.programs.at["/child.py"] = Code(_forever)
        node.programs.pause = gate.wait

        async def init(our: Address) -> None:
            with trio.CancelScope(shield=True):
                try:
                    await current().spawn("child", "/child.py", OnExit.none())
                except BaseException as error:
                    raised.append(error)
                    raise

        await node.start("stubborn", init)
        await node.kill(STUBBORN)
        gate.set()
        await node.settle()
        assert node.state(pid_of("child")) is None
        assert [type(error) for error in raised] == [ProcessEnded]


async def test_a_kill_during_a_spawn_makes_no_child():
    gate = trio.Event()

    async with kernel_node() as node:
        node.programs.at["/child.py"] = Code(_forever)
        node.programs.pause = gate.wait
        a = await node.puppet("a")
        a.begin(lambda calls: calls.spawn("child", "/child.py", OnExit.none()))
        await node.settle()
        await node.kill(a)
        gate.set()
        await node.settle()
        assert node.state(pid_of("child")) is None


async def test_a_shielded_receive_of_an_abandoned_process_gets_nothing():
    got: list[object] = []

    async with kernel_node() as node:
        b = await node.puppet("b")

        async def init(our: Address) -> None:
            calls = current()
            calls.send_request(b.address, Request(expects_response=60))
            with trio.move_on_after(100, shield=True):
                got.append(await calls.receive())

        await node.start("stubborn", init)
        await b.receive()
        await node.kill(STUBBORN)
        await b.respond(b"", payload=Payload(None, b"too late"))
        await node.settle()
        assert got == []
        assert len(node.dead_letters()) == 1


async def _forever(our: Address) -> None:
    await trio.sleep_forever()


async def test_the_remains_of_an_abandoned_process_may_crash_without_harm():
    async with kernel_node() as node:

        async def init(our: Address) -> None:
            await shielded(current())
            raise KeyError("at last")

        await node.start("stubborn", init, on_exit=OnExit.restart())
        await node.kill(STUBBORN)
        await trio.sleep(20)
        assert node.state(await node.puppet("other")) == "running"
