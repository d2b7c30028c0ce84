"""What an observer sees: everything that happens, once, in the one order of the node (DESIGN 2)."""

from __future__ import annotations

import pytest
import trio

from kernel.address import Address
from kernel.capability import Capability
from kernel.errors import BadCapability
from kernel.events import EventKind
from kernel.jsontext import parse
from kernel.mailbox import Limits
from kernel.message import OnExit, Payload, SendError
from tests.support.kernel_node import NODE, KernelNode, kernel_node, make_kernel


def told(node: KernelNode, *kinds: EventKind) -> list[str]:
    """Kind and subject of the events of these kinds."""
    return [f"{e.kind} {e.subject.process if e.subject else '-'}" for e in node.events if e.kind in kinds]


async def conversation(node: KernelNode) -> None:
    a, b = await node.puppets("a", "b")
    await a.send(b, b"one way", payload=Payload("text/plain", b"p"))
    await a.send(b, b"asked", expects=1, context=b"c")
    await b.receive()
    await b.receive()
    await b.respond(b"answer")
    await a.receive()
    asked = a.begin_ask(b)
    await b.receive()
    await b.respond(b"awaited")
    await asked.result()
    await a.send(b, b"times out", expects=1)
    await trio.sleep(2)
    await a.send(Address(NODE, "gone:x:y"))
    await b.receive()
    await b.respond(b"late")
    await a.do(lambda calls: calls.print_to_terminal(1, "said"))
    await a.do(lambda calls: calls.trace("noted"))
    await b.do(lambda calls: calls.create_capability(a.pid, '"x"'))
    await a.do(lambda calls: calls.drop_capabilities([Capability(b.address, '"x"')]))
    await node.kill(b)


async def test_every_event_of_a_conversation_is_told_once_in_order():
    async with kernel_node() as node:
        await conversation(node)
        ignored = {EventKind.PRINTED, EventKind.DREW}
        assert told(node, *(kind for kind in EventKind if kind not in ignored)) == [
            "created a",
            "granted a",
            "started a",
            "created b",
            "granted b",
            "started b",
            *("sent a", "appended b"),
            *("sent a", "appended b"),
            *("taken b", "taken b"),
            *("sent b", "appended a", "taken a"),
            *("sent a", "appended b", "taken b"),
            *("sent b", "answered a"),
            *("sent a", "appended b"),
            *("fired a", "returned a"),
            *("sent a", "returned a"),
            "taken b",
            *("sent b", "dead-letter a"),
            "noted a",
            "granted a",
            "revoked a",
            "ending b",
            "exited b",
        ]
        assert [e.note for e in node.seen(EventKind.RETURNED)] == ["deadline_passed", "no_such_process"]
        assert [e.note for e in node.seen(EventKind.NOTED)] == ["noted"]
        assert "said" in [e.note for e in node.seen(EventKind.PRINTED)]
        assert [e.note for e in node.seen(EventKind.EXITED)] == ["KILLED"]
        times = [event.at for event in node.events]
        assert times == sorted(times)


async def test_a_send_tells_how_and_a_creation_with_what_rights():
    async with kernel_node() as node:
        module = await node.system("module", public=True)
        b = await node.puppet("b", public=False, may_message=[module])
        asked = b.begin_ask(module)
        await module.receive()
        await module.respond()
        await asked.result()
        await b.send(module)
        assert [e.note for e in node.seen(EventKind.SENT)] == ["awaited", "", ""]
        assert [e.note for e in node.seen(EventKind.CREATED)] == ["public system", ""]
        assert [e.note for e in node.seen(EventKind.GRANTED, b)] == [
            str(Capability.messaging(b.address)),
            str(Capability.messaging(module.address)),
        ]


async def test_what_the_kernel_sends_for_a_process_is_told_as_privileged():
    async with kernel_node() as node:
        a = await node.puppet("a")
        asked = a.begin(lambda calls: calls.get_state())
        with pytest.raises(SendError):
            await asked.result()
        assert [e.note for e in node.seen(EventKind.SENT)] == ["awaited privileged"]


async def test_an_error_that_is_taken_tells_its_reason():
    async with kernel_node() as node:
        a = await node.puppet("a")
        await a.send(Address(NODE, "gone:x:y"))
        await a.unread()
        assert [e.note for e in node.seen(EventKind.TAKEN)] == ["no_such_process"]


async def test_a_request_whose_asker_is_cancelled_is_forgotten():
    async with kernel_node() as node:
        a, b = await node.puppets("a", "b")
        a.begin_ask(b)
        await node.settle()
        await node.kill(a)
        assert told(node, EventKind.FORGOTTEN, EventKind.RETURNED) == ["forgotten a"]


async def test_a_capability_of_ours_is_told_by_the_real_name_of_its_node():
    async with kernel_node() as node:
        a, b = await node.puppets("a", "b")
        ours = Capability(Address("our", b.pid), '"x"')
        await b.do(lambda calls: calls.share_capability(a.pid, ours))
        await a.do(lambda calls: calls.drop_capabilities([ours]))
        notes = [e.note for e in node.events if e.kind in {EventKind.GRANTED, EventKind.REVOKED}]
        assert notes[-2:] == [str(Capability(b.address, '"x"'))] * 2


async def test_the_same_run_has_the_same_lines():
    """DESIGN 7: the log that must be identical."""
    logs = []
    for _ in range(2):
        start = trio.current_time()
        async with kernel_node() as node:
            await conversation(node)
            logs.append([(e.at - start, e.line().partition(" ")[2]) for e in node.events])
    assert logs[0] == logs[1]
    assert len(logs[0]) > 20


async def test_a_line_shows_time_kind_subject_message_and_note():
    async with kernel_node() as node:
        a, b = await node.puppets("a", "b")
        await a.send(b, b"x", payload=Payload("m", b"p"))
        await a.send(b, b"x", payload=Payload(None, b"p"))
        await a.send(b, b"x")
        await b.receive()
        lines = [event.line() for event in node.seen(EventKind.APPENDED)]
        shown = lines[0].split()
        assert shown[1:4] == ["appended", "b:test:test", "request"]
        assert shown[5:8] == [str(a.address), "->", str(b.address)]
        assert len(dict.fromkeys(line.split()[8] for line in lines)) == 3


async def test_draws_are_told_and_long_ones_by_their_digest():
    async with kernel_node() as node:
        a = await node.puppet("a")
        drawn = await a.do(lambda calls: calls.draw("a card", 8))
        await a.do(lambda calls: calls.draw("many cards", 4096))
        notes = [event.note for event in node.seen(EventKind.DREW)]
        assert f"a card {drawn:x}" in notes
        assert all(len(note) < 60 for note in notes)


async def test_unobserved_nothing_is_told_and_all_goes_on():
    made = make_kernel()
    made.kernel.router.observer = None
    async with trio.open_nursery() as nursery:
        await nursery.start(made.kernel.run)
        await conversation(made)
        await made.kernel.stop()
        nursery.cancel_scope.cancel()
    assert made.events == []


async def test_a_full_mailbox_shows_as_returned_and_beyond_as_dead_letters():
    async with kernel_node() as node:
        a = await node.puppet("a", limits=Limits(messages=1))
        for _ in range(3):
            await a.send(Address(NODE, "gone:x:y"))
        assert told(node, EventKind.RETURNED, EventKind.DEAD_LETTER) == [
            "returned a",
            "dead-letter a",
            "dead-letter a",
        ]


# -- time, chance and exits, as processes see them


async def test_processes_have_the_nodes_clock_and_chance():
    async with kernel_node() as node:
        a, b = await node.puppets("a", "b")
        before = await a.do(lambda calls: calls.now())
        await a.do(lambda calls: calls.sleep(3))
        assert await a.do(lambda calls: calls.now()) == before + 3
        one, again, other = [await p.do(lambda calls: calls.random()) for p in (a, a, b)]
        assert one is again
        assert one is not other
        assert len(await a.do(lambda calls: calls.secret("key", 32))) == 32
        assert 0 <= await a.do(lambda calls: calls.draw("die", 3)) < 8


async def test_a_module_that_watches_is_told_of_every_exit_after_all_that_was_sent():
    """docs/processes.md, "How a process ends"."""
    async with kernel_node() as node:
        a = await node.puppet("a", on_exit=OnExit.restart())
        watcher, other = await node.system("watcher", public=True), await node.system("other")
        at_once: list[str] = []
        for _ in range(2):
            await watcher.do(lambda calls: calls.watch_exits(lambda pid: at_once.append(str(pid))))
        await a.send(watcher, b"last words")
        await a.crash()
        assert at_once == ["a:test:test"]
        other.finish()
        await node.settle()
        await node.kill(a)
        heard = await watcher.unread()
        assert [m.ipc for m in heard[:1]] == [b"last words"]
        crashed, *others = [parse(m.ipc)["ProcessExited"] for m in heard[1:]]
        assert crashed.pop("error").startswith("ValueError: as told at ")
        assert crashed == {"id": "a:test:test", "cause": "Crash", "restarts": True}
        assert others == [
            {"id": "other:sys:nectar", "cause": "Done", "restarts": True},
            {"id": "a:test:test", "cause": "Killed"},
        ]
        assert all(m.source == Address(NODE, "kernel:sys:nectar") for m in heard[1:])
        assert all(m.expects_response is None for m in heard)


async def test_a_watcher_that_restarts_goes_on_watching_but_not_itself():
    async with kernel_node() as node:
        watcher, a = await node.system("watcher"), await node.puppet("a")
        await watcher.do(lambda calls: calls.watch_exits(lambda pid: None))
        watcher.finish()
        await node.settle()
        await node.kill(a)
        assert [parse(m.ipc)["ProcessExited"]["id"] for m in await watcher.unread()] == ["a:test:test"]


async def test_only_modules_of_the_runtime_may_watch():
    async with kernel_node() as node:
        a = await node.puppet("a")
        with pytest.raises(BadCapability):
            await a.do(lambda calls: calls.watch_exits(lambda pid: None))
