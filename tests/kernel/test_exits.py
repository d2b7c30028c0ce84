"""How a process ends and what follows: cause x on-exit -> outcome (docs/processes.md, PROTOCOL 4.7)."""

from __future__ import annotations

import pytest
import trio

from kernel.address import Address, ProcessId
from kernel.errors import ProgramError
from kernel.lifecycle import CannotCreate
from kernel.message import OnExit, Payload, Reason, Request, SendError
from kernel.syscalls import current
from tests.support.kernel_node import NODE, KernelNode, Puppet, kernel_node, make_kernel, pid_of
from tests.support.shelf import Code

WITNESS = Address(NODE, "witness:test:test")
RULES = {
    "None": OnExit.none(),
    "Restart": OnExit.restart(),
    "Requests": OnExit.requests([(WITNESS, Request(expects_response=7, ipc=b"bye"), Payload(None, b"p"))]),
}


async def crash(node: KernelNode, puppet: Puppet) -> None:
    await puppet.crash()


async def kill(node: KernelNode, puppet: Puppet) -> None:
    await node.kill(puppet)


async def done(node: KernelNode, puppet: Puppet) -> None:
    puppet.finish()
    await node.settle()


async def stop(node: KernelNode, puppet: Puppet) -> None:
    await node.kernel.stop()


async def overstay(node: KernelNode, puppet: Puppet) -> None:
    """`init` returns, a child does not end."""

    async def stubborn() -> None:
        with trio.CancelScope(shield=True):
            await trio.sleep(1000)

    await puppet.do(lambda calls: calls.start_soon(stubborn))
    puppet.finish()
    await trio.sleep(3)


ENDINGS = {
    "Crash": (crash, "CRASH"),
    "Timeout": (overstay, "TIMEOUT"),
    "Done": (done, "DONE"),
    "Killed": (kill, "KILLED"),
    "Cancelled": (stop, "CANCELLED"),
}
OUTCOMES = {
    "Crash": {"None": "removed", "Restart": "restarted", "Requests": "requests"},
    "Timeout": {"None": "removed", "Restart": "restarted", "Requests": "requests"},
    "Done": {"None": "removed", "Restart": "restarted", "Requests": "requests"},
    "Killed": {"None": "removed", "Restart": "removed", "Requests": "removed"},
    "Cancelled": {"None": "forgotten", "Restart": "kept", "Requests": "kept"},
}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("cause", ENDINGS)
async def test_the_outcome_of(cause, rule):
    """C-076, C-078, C-079 and every other cell of the table."""
    end, reported = ENDINGS[cause]
    outcome = OUTCOMES[cause][rule]
    async with kernel_node() as node:
        witness = await node.puppet("witness")
        issued_to = await node.puppet("holder")
        puppet = await node.puppet("a", on_exit=RULES[rule])
        await puppet.do(lambda calls: calls.create_capability(issued_to.pid, '"x"'))
        holds = len(await issued_to.do(lambda calls: calls.our_capabilities()))
        await node.kernel.records.flush()
        await end(node, puppet)
        assert node.causes(puppet) == [reported]
        assert node.state(puppet) == ("running" if outcome == "restarted" else None)
        assert len(node.starts(puppet)) == (2 if outcome == "restarted" else 1)
        if cause != "Cancelled":
            sent = await witness.unread()
            assert [m.ipc for m in sent] == ([b"bye"] if outcome == "requests" else [])
            left = len(await issued_to.do(lambda calls: calls.our_capabilities()))
            assert left == holds - (outcome in {"removed", "requests"})
        await node.kernel.records.flush()
        kept = dict(await node.store.scan("processes"))
        assert (str(puppet.pid) in kept) == (outcome in {"kept", "restarted"})


async def test_exit_requests_go_once_in_order_without_an_answer():
    """C-078."""
    entries = [
        (WITNESS, Request(inherit=True, expects_response=3, ipc=b"1", metadata="m"), None),
        (Address("our", WITNESS.process), Request(ipc=b"2"), Payload("text/x", b"p")),
    ]
    async with kernel_node() as node:
        a = await node.puppet("a", on_exit=OnExit.requests(entries))
        witness = await node.puppet("witness")
        await a.crash()
        one, two = await witness.unread()
        assert (one.ipc, one.expects_response, one.inherit, one.metadata) == (b"1", None, False, "m")
        assert one.envelope().rsvp is None
        assert (two.ipc, two.payload(), two.source) == (b"2", Payload("text/x", b"p"), a.address)


async def test_exit_requests_go_only_where_the_process_may_send():
    """C-078: refused ones are dead letters, and the others still go."""
    entries = [
        (Address(NODE, pid_of(to)), Request(ipc=to.encode()), None) for to in ("closed", "gone", "a", "open")
    ]
    async with kernel_node() as node:
        a = await node.puppet("a", on_exit=OnExit.requests(entries))
        closed, opened = await node.puppet("closed", public=False), await node.puppet("open")
        a.finish()
        await node.settle()
        assert await closed.unread() == []
        assert [m.ipc for m in await opened.unread()] == [b"open"]
        assert [letter.message.message.ipc for letter in node.dead_letters()] == [b"closed", b"gone", b"a"]


# -- what counts as the cause


class _SaysNothing(Exception):
    def __str__(self) -> str:
        raise ValueError("no text either")


class _ExitsWhenAsked(Exception):
    def __str__(self) -> str:
        raise SystemExit(3)


class _Base(BaseException):
    pass


def nested(depth: int) -> BaseException:
    error: BaseException = ValueError("deep")
    for _ in range(depth):
        error = BaseExceptionGroup("", [error])
    return error


class _UnprintableFix(ProgramError):
    def __str__(self) -> str:
        raise ValueError("no")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("plain"), "ValueError: plain"),
        (SystemExit(1), "SystemExit: 1"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
        (GeneratorExit(), "GeneratorExit"),
        (StopIteration(), "RuntimeError"),  # what Python makes of it
        (_Base("odd"), "_Base: odd"),
        (ExceptionGroup("two", [ValueError("a"), KeyError("b")]), "ExceptionGroup: two"),
        (ExceptionGroup("one", [ValueError("alone")]), "ValueError: alone"),
        (BaseExceptionGroup("mixed", [SystemExit(2), KeyError("b")]), "BaseExceptionGroup: mixed"),
        (_SaysNothing(), "_SaysNothing"),
        (_ExitsWhenAsked(), "_ExitsWhenAsked"),
        (_UnprintableFix("f", "p", "x"), "_UnprintableFix"),
        (ProgramError("a.py", "broken", "mend it"), "a.py: broken (mend it)"),
        (nested(20_000), ""),
        (ValueError("half \ud800 a character"), "ValueError: half"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
@pytest.mark.parametrize("where", ["init", "child", "load"])
async def test_whatever_leaves_a_process_is_its_crash_and_nobody_elses(error, said, where):
    """docs/processes.md: a crash never reaches another process."""

    async def init(our: Address) -> None:
        if where == "child":
            current().start_soon(init_raises)
            await trio.sleep_forever()
        raise error

    async def init_raises() -> None:
        raise error

    class Unloadable:
        def fresh(self):
            raise error

    async with kernel_node() as node:
        other = await node.puppet("other")
        process = node.create("a", init)
        if where == "load":
            process.program = Unloadable()
            said = said.replace("RuntimeError", "StopIteration")
        node.kernel.lifecycle.start(process)
        await node.settle()
        assert node.causes(process.pid) == ["CRASH"]
        assert said in (process.last_error or "")
        (process.last_error or "").encode()
        assert "\n" not in (process.last_error or "")
        assert (await other.ask(await answering(node), b"alive?")).ipc == b""


async def answering(node: KernelNode) -> Address:
    async def init(our: Address) -> None:
        from kernel.message import Response

        while True:
            await current().receive()
            current().send_response(Response())

    return (await node.start("answering", init)).address


async def test_the_last_error_names_the_place():
    async with kernel_node() as node:

        async def init(our: Address) -> None:
            raise KeyError("row 7")

        process = await node.start("a", init)
        assert "KeyError: 'row 7' at " in (process.last_error or "")
        assert "test_exits.py:" in (process.last_error or "")
        assert any(line.verbosity == 0 and "row 7" in line.text for line in node.console.recent())


async def test_code_that_awaits_what_trio_does_not_know_crashes_alone():
    class Foreign:
        def __await__(self):
            yield "something else"

    async def init(our: Address) -> None:
        await Foreign()

    async with kernel_node() as node:
        process = await node.start("a", init)
        assert node.causes(process.pid) == ["CRASH"]
        await node.puppet("other")


@pytest.mark.parametrize("what", ["crash", "done"])
async def test_a_kill_that_was_asked_for_decides_the_row(what):
    """Crash is reported, Killed decides (docs/processes.md)."""

    async def init(our: Address) -> None:
        try:
            await trio.sleep_forever()
        except trio.Cancelled:
            if what == "crash":
                raise ValueError("while dying") from None

    async with kernel_node() as node:
        process = await node.start("a", init, on_exit=OnExit.restart())
        await node.kill(process.pid)
        assert node.causes(process.pid) == ["CRASH" if what == "crash" else "KILLED"]
        assert node.state(process.pid) is None


async def test_a_shutdown_that_was_asked_for_decides_the_row():
    async def init(our: Address) -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise ValueError("while leaving")

    async with kernel_node() as node:
        process = await node.start("a", init, on_exit=OnExit.restart())
        await node.kernel.stop()
        assert node.causes(process.pid) == ["CRASH"]
        assert str(process.pid) in dict(await node.store.scan("processes"))


async def test_a_process_that_ends_while_the_node_stops_runs_at_the_next_boot():
    async with kernel_node() as node:
        slow = await node.start("slow", _stubborn, on_exit=OnExit.restart())
        quick = await node.puppet("quick", on_exit=OnExit.restart())
        quick.finish()
        await node.kernel.stop()
        assert node.causes(slow.pid) == ["TIMEOUT"]
        assert [key for key, _ in await node.store.scan("processes")] == [str(quick.pid), str(slow.pid)]


async def _stubborn(our: Address) -> None:
    with trio.CancelScope(shield=True):
        await trio.sleep(1000)


# -- beginnings that end at once


async def test_a_process_killed_before_its_first_step_ends():
    async with kernel_node() as node:
        a = Puppet(node, pid_of("a"))
        process = node.create("a", a.init, on_exit=OnExit.restart())
        node.kernel.lifecycle.start(process)
        await node.kill(a)
        assert node.state(a) is None
        assert node.causes(a) == ["KILLED"]


async def test_a_process_killed_before_it_runs_returns_what_was_held():
    async with kernel_node() as node:
        a = await node.puppet("a")
        held = node.create("held", _stubborn, public=True)
        asked = a.begin_ask(held.address)
        await node.settle()
        await node.kill(held.pid)
        with pytest.raises(SendError) as caught:
            await asked.result()
        assert (caught.value.reason, caught.value.definite) == (Reason.process_exited, True)
        assert node.state(held.pid) is None


async def test_killing_twice_and_killing_nobody_returns():
    async with kernel_node() as node:
        a = await node.puppet("a")
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(node.kernel.kill, a.pid)
        await node.kernel.kill(a.pid)
        assert node.causes(a) == ["KILLED"]


async def test_nothing_is_created_while_the_node_stops():
    async with kernel_node() as node:
        await node.kernel.stop()
        with pytest.raises(CannotCreate, match="shuts down"):
            node.create("late", _stubborn)


async def test_stopping_twice_returns():
    async with kernel_node() as node:
        await node.puppet("a")
        assert await node.kernel.stop() == []
        assert await node.kernel.stop() == []


async def test_a_module_of_the_runtime_comes_back_whatever_happens():
    """docs/processes.md: always restarted, never written."""
    async with kernel_node() as node:
        module = await node.system("clock")
        module.finish()
        await node.settle()
        await node.kill(module)
        await trio.sleep(2)
        assert node.state(module) == "running"
        assert module.runs == 3
        await node.kernel.records.flush()
        assert await node.store.scan("processes") == []
        await node.kernel.stop()
        assert node.state(module) is None


async def test_a_power_cut_starts_nothing_again():
    """docs/processes.md: kill -9 of the node; a module must not run once more on its way down."""
    made = make_kernel()
    runs: list[str] = []

    async def init(our: Address) -> None:
        runs.append(our.process.process)
        await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        await nursery.start(made.kernel.run)
        made.kernel.add_module(ProcessId("clock", "sys", "nectar"), init, public=True)
        await made.start("a", init, on_exit=OnExit.restart())
        nursery.cancel_scope.cancel()
    assert sorted(runs) == ["a", "clock"]


async def test_a_shutdown_takes_no_capability_from_those_that_stay():
    """docs/processes.md: only what is removed revokes; at a shutdown nothing is removed."""
    async with kernel_node() as node:
        issuer = await node.puppet("issuer")
        names = [f"h{number}" for number in range(8)]
        for name in names:
            holder = await node.puppet(name, on_exit=OnExit.restart())
            await issuer.do(lambda calls, to=holder.pid: calls.create_capability(to, '"mine"'))
        await node.kernel.stop()
        records = dict(await node.store.scan("processes"))
        assert [name for name in names if b"mine" not in records[str(pid_of(name))]] == []


def test_code_is_given_not_found():
    """The shelf of these tests gives what was put there."""
    assert Code(_stubborn).fresh() is _stubborn
