"""One process, many tasks (docs/processes.md)."""

from __future__ import annotations

import threading

import pytest
import trio

from kernel.errors import AlreadyResponded, OutsideProcess, ReceiveConflict
from kernel.message import Payload, Request, Response, SendError
from kernel.syscalls import Syscalls, current
from tests.support.kernel_node import Doing, KernelNode, Puppet, kernel_node


class Child(Puppet):
    """A task of a puppet's process, told what to do like the puppet itself."""

    def __init__(self, node: KernelNode, parent: Puppet) -> None:
        super().__init__(node, parent.pid)
        self.parent = parent

    async def run(self) -> None:
        await self.init(self.address)


async def child_of(node: KernelNode, parent: Puppet, how: str = "start_soon") -> Child:
    """Started by `start_soon`, or in a nursery of the process's own."""
    child = Child(node, parent)

    async def in_a_nursery(calls: Syscalls) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(child.run)

    if how == "start_soon":
        await parent.do(lambda calls: calls.start_soon(child.run))
    else:
        parent.begin(in_a_nursery)
        await node.settle()
    return child


BOTH = pytest.mark.parametrize("how", ["start_soon", "nursery"])


@BOTH
async def test_a_child_answers_the_request_it_was_started_for(how):
    async with kernel_node() as node:
        a, b = await node.puppet("a"), await node.puppet("b")
        asked = a.begin_ask(b, payload=Payload(None, b"first"))
        await b.receive()
        child = await child_of(node, b, how)
        assert await child.payload() == Payload(None, b"first")
        await child.respond(b"from the child")
        assert (await asked.result()).ipc == b"from the child"


async def test_a_child_begins_with_what_its_parent_had_when_it_was_started():
    """The parent may have received another message before the child's first step."""
    async with kernel_node() as node:
        a, b = await node.puppet("a"), await node.puppet("b")
        await a.send(b, b"1", expects=60, payload=Payload(None, b"one"))
        await a.send(b, b"2", expects=60, payload=Payload(None, b"two"))
        child = Child(node, b)

        async def step(calls: Syscalls) -> None:
            await calls.receive()
            calls.start_soon(child.run)
            await calls.receive()

        await b.do(step)
        assert await child.payload() == Payload(None, b"one")
        await child.respond(b"to 1")
        await b.respond(b"to 2")
        assert [m.ipc for m in await a.unread()] == [b"to 1", b"to 2"]


async def test_from_its_start_a_child_goes_its_own_way():
    async with kernel_node() as node:
        a, b = await node.puppet("a"), await node.puppet("b")
        await a.send(b, b"1", expects=60)
        await b.receive()
        child = await child_of(node, b)
        await a.send(b, b"2", expects=60, payload=Payload(None, b"two"))
        await child.receive()
        assert await b.payload() is None
        await b.respond(b"to 1")
        await child.respond(b"to 2")
        assert [m.ipc for m in await a.unread()] == [b"to 1", b"to 2"]


async def test_a_task_of_a_nursery_takes_its_parents_prompting_message_at_its_first_call():
    async with kernel_node() as node:
        a, b = await node.puppet("a"), await node.puppet("b")
        await a.send(b, b"1", expects=60)
        await a.send(b, b"2", expects=60)
        gate = trio.Event()

        async def later() -> None:
            await gate.wait()
            current().send_response(Response(ipc=b"by the nursery's task"))

        async def step(calls: Syscalls) -> None:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(later)
                await calls.receive()
                second = await calls.receive()
                gate.set()
                assert second.ipc == b"2"

        await b.do(step)
        [answer] = await a.unread()
        assert answer.ipc == b"by the nursery's task"


@BOTH
async def test_a_request_is_answered_once_by_whichever_task_is_first(how):
    """C-038 across tasks."""
    async with kernel_node() as node:
        a, b = await node.puppet("a"), await node.puppet("b")
        await a.send(b, expects=60)
        await b.receive()
        one, two = Child(node, b), Child(node, b)

        async def step(calls: Syscalls) -> None:
            if how == "start_soon":
                calls.start_soon(one.run)
                calls.start_soon(two.run)
                return
            async with trio.open_nursery() as nursery:
                nursery.start_soon(one.run)
                nursery.start_soon(two.run)

        b.begin(step)
        await one.respond(b"first")
        with pytest.raises(AlreadyResponded):
            await two.respond(b"second")
        assert [m.ipc for m in await a.unread()] == [b"first"]


async def test_one_task_at_a_time_receives():
    async with kernel_node() as node:
        a, b = await node.puppet("a"), await node.puppet("b")
        child = await child_of(node, b)
        first = child.begin_receive()
        await node.settle()
        with pytest.raises(ReceiveConflict, match="another task"):
            await b.receive()
        await a.send(b, b"for the first")
        assert (await first.result()).ipc == b"for the first"
        await a.send(b, b"free again")
        assert (await b.receive()).ipc == b"free again"


async def test_a_receive_that_was_given_up_lets_the_next_one_in():
    async with kernel_node() as node:
        a, b = await node.puppet("a"), await node.puppet("b")

        async def impatient(calls: Syscalls) -> None:
            with trio.move_on_after(1):
                await calls.receive()

        await b.do(impatient)
        receiving = b.begin_receive()
        await a.send(b, b"kept")
        assert (await receiving.result()).ipc == b"kept"


async def test_any_number_of_tasks_await_and_one_receives():
    async with kernel_node() as node:
        a, b = await node.puppet("a"), await node.puppet("b")
        children = [await child_of(node, a) for _ in range(20)]
        asked: list[Doing] = [
            child.begin_ask(b, str(number).encode()) for number, child in enumerate(children)
        ]
        receiving = a.begin_receive()
        await node.settle()
        questions = [await b.receive() for _ in children]
        assert sorted(int(q.ipc) for q in questions) == list(range(20))

        async def answer_all(calls: Syscalls) -> None:
            for question in reversed(questions):
                calls.send_request(a.address, Request(ipc=b"between"))
                envelope = question.envelope()
                assert envelope.rsvp == a.address

        await b.do(answer_all)
        assert (await receiving.result()).ipc == b"between"
        assert not any(doing.done.is_set() for doing in asked)
        await node.kill(b)
        for doing in asked:
            with pytest.raises(SendError):
                await doing.result()


async def test_an_answer_finds_the_task_that_asked():
    async with kernel_node() as node:
        a = await node.puppet("a")
        servers = [await node.puppet(f"s{number}") for number in range(5)]
        children = [await child_of(node, a, "nursery") for _ in range(1)]
        children += [await child_of(node, children[0]) for _ in range(4)]
        asked = [child.begin_ask(server) for child, server in zip(children, servers, strict=True)]
        for server in reversed(servers):
            await server.receive()
            await server.respond(
                server.pid.process.encode(), payload=Payload(None, server.pid.process.encode())
            )
        assert [(await doing.result()).ipc for doing in asked] == [s.pid.process.encode() for s in servers]
        assert [await child.payload() for child in children] == [
            Payload(None, server.pid.process.encode()) for server in servers
        ]


async def test_an_unawaited_answer_restores_the_prompt_in_the_task_that_receives_it():
    async with kernel_node() as node:
        a, b, c = await node.puppet("a"), await node.puppet("b"), await node.puppet("c")
        await a.send(b, expects=60)
        await b.receive()
        await b.send(c, expects=60)
        child = await child_of(node, b)
        await a.send(b, b"another", expects=60)
        await child.receive()
        await c.receive()
        await c.respond()
        await child.receive()
        await child.respond(b"to the first")
        answer = await a.receive()
        assert (answer.ipc, answer.id) == (b"to the first", answer.id)


async def test_what_a_task_attached_rides_on_its_own_next_message():
    from kernel.capability import Capability

    async with kernel_node() as node:
        a, b = await node.puppet("a"), await node.puppet("b")
        child = await child_of(node, a)
        await a.do(lambda calls: calls.attach_capability(Capability(a.address, '"mine"')))
        await child.send(b)
        await a.send(b)
        await a.send(b)
        assert [len((await b.receive()).capabilities) for _ in range(3)] == [0, 1, 0]


async def test_a_child_ends_with_the_process():
    ended: list[str] = []

    async def child() -> None:
        try:
            await trio.sleep_forever()
        finally:
            ended.append("child")

    async with kernel_node() as node:
        a = await node.puppet("a")
        await a.do(lambda calls: calls.start_soon(child))
        a.finish()
        await node.settle()
        assert ended == ["child"]
        assert node.causes(a) == ["DONE"]


async def test_a_child_gets_its_arguments_and_may_end_before():
    got: list[object] = []

    async def child(*args: object) -> None:
        got.extend(args)

    async with kernel_node() as node:
        a = await node.puppet("a")
        await a.do(lambda calls: calls.start_soon(child, 1, "two", None))
        assert got == [1, "two", None]
        assert node.state(a) == "running"


async def test_calling_a_task_that_is_no_task_is_a_crash_of_the_process_alone():
    async with kernel_node() as node:
        a = await node.puppet("a")
        a.begin(lambda calls: calls.start_soon(lambda: 7))
        await node.settle()
        assert node.causes(a) == ["CRASH"]
        assert node.state(await node.puppet("b")) == "running"


# -- calls from elsewhere


def test_outside_of_any_process_there_are_no_syscalls():
    with pytest.raises(OutsideProcess, match="no process runs here"):
        current()


THREADED = {
    "get_payload": lambda c: c.get_payload(),
    "send_request": lambda c: c.send_request(c.our, Request()),
    "send_response": lambda c: c.send_response(Response()),
    "print": lambda c: c.print_to_terminal(0, "x"),
    "now": lambda c: c.now(),
    "draw": lambda c: c.draw("x", 8),
    "start_soon": lambda c: c.start_soon(trio.sleep, 0),
    "spawned name": lambda c: c.can_message(c.our),
    "our": lambda c: c.our,
}


@pytest.mark.real_clock
@pytest.mark.parametrize("call", THREADED)
async def test_a_call_from_a_worker_thread_raises(call):
    async with kernel_node() as node:
        a = await node.puppet("a")
        with pytest.raises(OutsideProcess, match="another thread"):
            await a.do(lambda calls: trio.to_thread.run_sync(THREADED[call], calls))
        assert node.mailbox(a.pid) == 0


@pytest.mark.real_clock
@pytest.mark.parametrize("call", THREADED)
async def test_a_call_from_a_thread_of_ones_own_raises(call):
    """It has no context at all."""
    raised: list[BaseException] = []

    def work(calls: Syscalls) -> None:
        try:
            THREADED[call](calls)
        except BaseException as error:  # noqa: BLE001
            raised.append(error)

    async with kernel_node() as node:
        a = await node.puppet("a")

        def step(calls: Syscalls) -> None:
            thread = threading.Thread(target=work, args=(calls,))
            thread.start()
            thread.join()

        await a.do(step)
        assert [type(error) for error in raised] == [OutsideProcess]


@pytest.mark.real_clock
async def test_a_thread_may_call_back_into_the_nodes_thread():
    async with kernel_node() as node:
        a, b = await node.puppet("a"), await node.puppet("b")

        def work(calls: Syscalls) -> None:
            trio.from_thread.run_sync(calls.send_request, b.address, Request(ipc=b"from a thread"))

        await a.do(lambda calls: trio.to_thread.run_sync(work, calls))
        assert (await b.receive()).ipc == b"from a thread"


async def test_a_task_outside_of_any_process_cannot_use_the_calls_of_one():
    async with kernel_node() as node:
        a = await node.puppet("a")
        calls = await a.do(lambda calls: calls)
        with pytest.raises(OutsideProcess):
            calls.send_request(a.address, Request())
        assert node.mailbox(a.pid) == 0
