"""What a kernel and its packages do is written line by line, in its one order (DESIGN 7)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from hashlib import sha256

import attrs
import trio

from kernel.address import Address
from kernel.capability import Capability
from kernel.events import Event, EventKind
from kernel.message import Message, OnExit, Payload, Request, Response, SendError
from kernel.syscalls import Syscalls, current
from runtime.record import lines
from runtime.record.cleaning import Cleaner
from runtime.record.lines import LINE, Line
from runtime.record.recorder import Recorder
from runtime.sim.scheduler import run_deterministic
from tests.support.kernel_node import NODE, KernelNode, make_kernel


@attrs.frozen
class RecordedNode:
    node: KernelNode
    written: list[Line]

    def of(self, *kinds: type) -> list[Line]:
        return [line for line in self.written if isinstance(line, kinds)]

    def names(self, name: str) -> list[str]:
        """The kinds of the lines about a process, in order."""
        about = [line for line in self.written if getattr(line, "process", None)]
        return [type(line).__name__ for line in about if line.process.process == name]


@asynccontextmanager
async def recorded_node(cleaner: Cleaner | None = None) -> AsyncIterator[RecordedNode]:
    written: list[Line] = []
    recorder = Recorder(written.append, cleaner)
    made = make_kernel()
    kernel = made.kernel
    kernel.ports = recorder.ports(kernel.ports)
    kernel.router.chance = kernel.ports.chance
    kernel.router.signing._keys = kernel.ports.keys
    kernel.router.observer = recorder.observe
    async with trio.open_nursery() as nursery:
        await nursery.start(kernel.run)
        recorder.attach(kernel)
        yield RecordedNode(made, written)
        recorder.finish()
        nursery.cancel_scope.cancel()
    assert all(LINE.decode(LINE.encode(line)) == line for line in written)


async def test_it_begins_with_who_and_when_and_ends_when_the_node_stopped():
    async with recorded_node() as run:
        pass
    first, last = run.written[0], run.written[-1]
    assert isinstance(first, lines.Record)
    assert (first.format, first.node, first.at) == (lines.FORMAT, NODE, 0.0)
    assert set(first.versions) == {"nectar", "python", "trio"}
    assert last == lines.Ended(0.0)


async def test_a_conversation_of_two_packages():
    """Whole where it comes from outside, else by digest; each step with its task."""
    async with recorded_node() as run:
        module = await run.node.system("module", public=True)

        async def answers(our: Address) -> None:
            while True:
                message = await current().receive()
                current().send_response(Response(ipc=message.ipc), Payload("a/b", b"\xff" * 300))

        app = await run.node.start("app", answers)
        assert (await module.ask(app.address, b"asked")).ipc == b"asked"
        assert run.names("app") == [
            *("Created", "Granted", "Started", "Began", "Waits"),
            *("Appended", "GoesOn", "Took", "Sent", "Waits"),
        ]
        appended, sent = run.of(lines.Appended)[0], run.of(lines.Sent)[0]
        assert appended.whole is not None
        assert appended.whole.ipc.data == b"asked"
        assert (sent.task, sent.id, sent.said.to) == ("1.0", appended.id, module.address)
        assert sent.said.ipc == lines.Digest(5, sha256(b"asked").hexdigest(), "asked")
        assert sent.said.payload is not None
        assert (sent.said.payload.content.size, len(sent.said.payload.content.head)) == (300, 200)


async def test_what_modules_say_among_themselves_is_not_written():
    async with recorded_node() as run:
        one, two = await run.node.system("one", public=True), await run.node.system("two", public=True)
        await one.send(two, b"between us")
        await two.receive()
        kinds = {type(line) for line in run.written}
        assert kinds == {lines.Record, lines.Created, lines.Granted, lines.Started}


async def test_what_packages_draw_and_see_is_written_but_no_secret():
    drawn: list[float | bytes] = []

    async def init(our: Address) -> None:
        calls = current()
        drawn.extend([calls.now(), calls.draw("dice", 8), calls.random().random(), calls.secret("key", 16)])
        await calls.receive()

    async with recorded_node() as run:
        await run.node.start("app", init)
        now, drew, _, secret = drawn
        assert [line.value for line in run.of(lines.Now)] == [now]
        assert [(line.label, line.bits, int(line.value, 16)) for line in run.of(lines.Drew)] == [
            ("dice", 8, drew)
        ]
        assert len(run.of(lines.Seeded)) == 1
        assert [(line.label, line.size) for line in run.of(lines.Secret)] == [("key", 16)]
        assert isinstance(secret, bytes)
        assert secret.hex().encode() not in b"".join(LINE.encode(line) for line in run.written)


async def test_what_modules_draw_and_see_is_not_written():
    def look(calls: Syscalls) -> None:
        calls.now()
        calls.draw("channel id", 32)
        calls.secret("cookie", 16)
        calls.random()

    async with recorded_node() as run:
        module = await run.node.system("module")
        await module.do(look)
        assert run.of(lines.Now, lines.Drew, lines.Seeded, lines.Secret) == []


async def test_signatures_are_written_once_they_are_made_for_a_package():
    async def init(our: Address) -> None:
        held = current().our_capabilities()
        current().save_capabilities(held)
        await current().receive()

    async with recorded_node() as run:
        others = Capability(Address(NODE, "other:x:y"), '"x"')
        process = run.node.create("app", init, capabilities=[others])
        run.node.kernel.lifecycle.start(process)
        await run.node.settle()
        assert len(run.of(lines.Signed)) == 2
        assert [line.genuine for line in run.of(lines.Verified)] == [True]


async def test_returns_tell_everything_that_the_error_will():
    errors: list[SendError] = []

    async def init(our: Address) -> None:
        current().send_request(Address(NODE, "no:such:process"), Request())
        try:
            await current().receive()
        except SendError as error:
            errors.append(error)
        await current().receive()

    async with recorded_node() as run:
        await run.node.start("app", init)
        (line,) = run.of(lines.Returned)
        (error,) = errors
        assert (line.kind, line.reason, line.definite, line.detail) == (
            error.kind,
            error.reason,
            error.definite,
            error.detail,
        )


async def test_deadlines_and_cancelled_waits_are_written():
    async def init(our: Address) -> None:
        silent = Address(NODE, "silent:sys:nectar")
        with suppress(SendError):
            await current().send_and_await_response(silent, Request(expects_response=1))
        with trio.move_on_after(0.5):
            await current().send_and_await_response(silent, Request(expects_response=9))
        await current().receive()

    async with recorded_node() as run:
        await run.node.system("silent", public=True)
        await run.node.start("app", init)
        await trio.sleep(3)
        assert len(run.of(lines.Fired)) == 1
        assert len(run.of(lines.Forgotten)) == 1
        failures = [line.failure.name for line in run.of(lines.GoesOn) if line.failure is not None]
        assert failures == ["Cancelled"]


async def test_ends_say_who_was_asked_and_whether_it_ended_by_itself():
    async def init(our: Address) -> None:
        await current().receive()

    async with recorded_node() as run:
        first = await run.node.start("first", init)
        await run.node.kill(first.pid, revoke=False)
        waiting = run.node.create("second", init)
        await run.node.kill(waiting.pid)
        assert [(line.process.process, line.cause, line.kept) for line in run.of(lines.Ending)] == [
            ("first", "KILLED", True),
            ("second", "KILLED", False),
        ]
        assert [(line.process.process, line.task) for line in run.of(lines.Exited)] == [
            ("first", "1.0"),
            ("second", ""),
        ]


async def test_a_child_says_who_made_it_and_rights_who_gave_them():
    async def kid(our: Address) -> None:
        await current().receive()

    async def init(our: Address) -> None:
        await current().spawn("kid", kid, OnExit.none())
        current().create_capability(our.process, '"x"')
        await current().receive()

    async with recorded_node() as run:
        process = await run.node.start("app", init)
        other = await run.node.puppet("other")
        run.node.kernel.grants.grant(process, Capability.messaging(other.address))
        created = {line.process.process: line.by and line.by.process for line in run.of(lines.Created)}
        assert created == {"app": None, "kid": "app", "other": None}
        given = [(line.by and line.by.process, line.capability) for line in run.of(lines.Granted)]
        assert ("app", f'{process.address}^"x"') in given
        assert (None, str(Capability.messaging(other.address))) in given


def test_nothing_changes_for_who_is_recorded():
    """The same seed gives the same events, recorded or not."""

    def events_of(recorded: bool) -> list[str]:
        seen: list[str] = []

        async def story() -> None:
            written: list[Line] = []
            recorder = Recorder(written.append)
            made = make_kernel()

            def observe(event: Event) -> None:
                seen.append(event.line())
                if recorded:
                    recorder.observe(event)

            made.kernel.router.observer = observe
            async with trio.open_nursery() as nursery:
                await nursery.start(made.kernel.run)
                if recorded:
                    recorder.attach(made.kernel)
                a, b = await made.puppets("a", "b")
                asked = a.begin_ask(b, b"?")
                message: Message = await b.receive()
                await b.respond(message.ipc)
                await asked.result()
                await a.crash()
                nursery.cancel_scope.cancel()

        run_deterministic(story, seed=3)
        return seen

    assert events_of(recorded=True) == events_of(recorded=False)
    assert any(EventKind.SENT in line for line in events_of(recorded=True))
