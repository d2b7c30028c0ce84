"""Child processes end with their parent, unless they are detached (docs/processes.md, "Child processes")."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import attrs
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel.address import Address, ProcessId
from kernel.errors import ProcessEnded, SpawnError
from kernel.events import EventKind
from kernel.exits import ExitCause
from kernel.jsontext import parse
from kernel.message import OnExit, Payload, Reason, Request, SendError
from kernel.syscalls import current
from runtime.sim.store import MemoryStore
from tests.kernel.test_exits import crash, done, kill, overstay
from tests.support.kernel_node import NODE, KernelNode, Puppet, kernel_node, pid_of
from tests.support.law_node import law_node
from tests.support.shelf import Code

ENDINGS = [crash, kill, done, overstay]
WITNESS = Address(NODE, "witness:test:test")


async def spawned(
    node: KernelNode,
    parent: Puppet,
    name: str,
    on_exit: OnExit | None = None,
    *,
    detached: bool = False,
) -> Puppet:
    """A child process that does what it is told."""
    child = Puppet(node, pid_of(name))
    path = f"/{name}.py"
    node.programs.at[path] = Code(child.init)
    rule = OnExit.none() if on_exit is None else on_exit
    await parent.do(lambda calls: calls.spawn(name, path, rule, public=True, detached=detached))
    return child


def exits(node: KernelNode) -> list[tuple[str, str]]:
    return [(str(e.subject).split(":")[0], e.note) for e in node.seen(EventKind.EXITED)]


async def stubborn(our: Address) -> None:
    with trio.CancelScope(shield=True):
        await trio.sleep(1000)


@pytest.mark.parametrize("end", ENDINGS)
async def test_children_and_theirs_end_before_their_parent_does_and_detached_ones_go_on(
    end: Callable[[KernelNode, Puppet], Awaitable[None]],
):
    """However the parent ends; no on-exit rule of a child applies."""
    async with law_node() as (node, watched):
        witness = await node.puppet("witness")
        parent = await node.puppet("parent")
        child = await spawned(node, parent, "child", OnExit.restart())
        rule = OnExit.requests([(WITNESS, Request(ipc=b"bye"), Payload())])
        grandchild = await spawned(node, child, "grandchild", rule)
        free = await spawned(node, parent, "free", detached=True)
        of_free = await spawned(node, free, "of_free")
        await witness.send(grandchild, b"unread")
        await end(node, parent)
        assert exits(node)[:2] == [("grandchild", "KILLED"), ("child", "KILLED")]
        assert exits(node)[2][0] == "parent"
        assert [node.state(p) for p in (parent, child, grandchild)] == [None] * 3
        assert [node.state(p) for p in (free, of_free)] == ["running"] * 2
        [back] = await witness.unread()
        assert isinstance(back, SendError)
        assert back.reason is Reason.process_exited
        assert "its parent child:test:test ended" in str(back)
        assert watched.verdict() is None


async def test_a_parent_that_starts_anew_finds_the_names_of_its_children_free():
    async with kernel_node() as node:
        parent = await node.puppet("parent", on_exit=OnExit.restart())
        for _ in range(2):
            child = await spawned(node, parent, "child")
            with pytest.raises(SpawnError, match="exists already"):
                await spawned(node, parent, "child")
            await parent.crash()
            await trio.sleep(5)
            assert node.state(child) is None
        assert parent.runs == 3


async def test_a_child_that_crashed_goes_on_being_one():
    """Its own runs are its own matter; while it waits for the next one, too."""
    async with kernel_node() as node:
        parent = await node.puppet("parent")
        again = await spawned(node, parent, "again", OnExit.restart())
        waiting = await spawned(node, parent, "waiting", OnExit.restart())
        await again.crash()
        await waiting.crash()
        await waiting.crash()
        assert [node.state(p) for p in (parent, again, waiting)] == ["running", "running", "waiting"]
        parent.finish()
        await node.settle()
        assert [node.state(p) for p in (parent, again, waiting)] == [None] * 3
        await trio.sleep(10)
        assert (again.runs, waiting.runs) == (2, 2)


async def test_a_child_that_ends_by_itself_holds_nobody():
    async with kernel_node() as node:
        parent = await node.puppet("parent")
        child = await spawned(node, parent, "child")
        child.finish()
        await node.settle()
        assert node.state(parent) == "running"
        again = await spawned(node, parent, "child")
        assert node.state(again) == "running"
        parent.finish()
        await node.settle()
        assert exits(node) == [("child", "DONE"), ("child", "KILLED"), ("parent", "DONE")]


async def test_a_family_that_does_not_end_has_two_seconds_in_all():
    async with kernel_node() as node:

        async def parent(our: Address) -> None:
            node.programs.at["/child.py"] = Code(child)
            await current().spawn("child", "/child.py", OnExit.none())
            await stubborn(our)

        async def child(our: Address) -> None:
            node.programs.at["/grandchild.py"] = Code(stubborn)
            await current().spawn("grandchild", "/grandchild.py", OnExit.none())
            await stubborn(our)

        process = await node.start("parent", parent)
        started = trio.current_time()
        await node.kill(process.pid)
        await trio.sleep(0.1)
        assert trio.current_time() - started == pytest.approx(2.1)
        assert exits(node) == [("grandchild", "KILLED"), ("child", "KILLED"), ("parent", "KILLED")]
        assert len(node.kernel.lifecycle.abandoned) == 3


async def test_a_parent_is_not_abandoned_for_a_child_that_does_not_end():
    async with kernel_node() as node:
        parent = await node.puppet("parent")
        node.programs.at["/child.py"] = Code(stubborn)
        await parent.do(lambda calls: calls.spawn("child", "/child.py", OnExit.none()))
        await node.kill(parent)
        assert node.kernel.lifecycle.abandoned == [pid_of("child")]
        assert node.state(parent) is None


async def test_an_abandoned_parent_leaves_no_child_behind():
    async with kernel_node() as node:

        async def falls() -> None:
            raise ValueError("as told")

        async def parent(our: Address) -> None:
            node.programs.at["/child.py"] = Code(idle)
            await current().spawn("child", "/child.py", OnExit.restart())
            current().start_soon(falls)
            await stubborn(our)

        await node.start("parent", parent)
        await trio.sleep(3)
        assert exits(node) == [("child", "KILLED"), ("parent", "CRASH")]
        assert node.kernel.lifecycle.abandoned == [pid_of("parent")]


async def idle(our: Address) -> None:
    await trio.sleep_forever()


async def test_no_child_is_born_behind_the_back_of_a_parent_that_ends():
    """Its code is read while the parent crashes."""
    async with kernel_node() as node:
        parent = await node.puppet("parent")
        read = trio.Event()
        node.programs.pause = read.wait
        node.programs.at["/child.py"] = Code(idle)
        tried: list[BaseException] = []

        async def late() -> None:
            try:
                with trio.CancelScope(shield=True):
                    await current().spawn("child", "/child.py", OnExit.restart())
            except ProcessEnded as error:
                tried.append(error)
                raise

        await parent.do(lambda calls: calls.start_soon(late))
        await parent.crash()
        read.set()
        await node.settle()
        assert node.state(pid_of("child")) is None
        assert node.state(parent) is None
        assert not tried, "it was born, and ended with its parent"


async def test_a_very_long_line_of_descendants_ends_like_a_short_one():
    async with kernel_node() as node:
        eldest = parent = await node.puppet("p0")
        for number in range(1, 1500):
            child = Puppet(node, pid_of(f"p{number}"))
            node.programs.at[f"/p{number}.py"] = Code(child.init)
            name = f"p{number}"
            await parent.begin(
                lambda calls, name=name: calls.spawn(name, f"/{name}.py", OnExit.restart())
            ).result()
            parent = child
        await node.kill(eldest)
        assert node.kernel.standings() == []


# -- over a boot


async def family(store: MemoryStore, *, keep_parent: bool = True, stop: bool = False) -> MemoryStore:
    """What is on disk of a parent, a child and a grandchild, and a detached one, after a stop, or a power cut."""
    async with kernel_node(store) as node:
        parent = await node.puppet("parent", on_exit=OnExit.restart() if keep_parent else None)
        child = await spawned(node, parent, "child", OnExit.restart())
        await spawned(node, child, "grandchild", OnExit.restart())
        await spawned(node, parent, "free", OnExit.restart(), detached=True)
        await node.kernel.records.flush()
        if stop:
            await node.kernel.stop()
    return store.crash()


async def boot(node: KernelNode) -> list[ProcessId]:
    for path in ("", "/child.py", "/grandchild.py", "/free.py"):
        node.programs.at[path] = Code(idle)
    return [process.pid for process in await node.kernel.restore()]


@pytest.mark.parametrize("stop", [False, True])
async def test_families_come_back_as_such(stop: bool):
    """C-081."""
    store = await family(MemoryStore(), stop=stop)
    async with kernel_node(store) as node:
        everybody = [pid_of(name) for name in ("child", "free", "grandchild", "parent")]
        assert await boot(node) == everybody
        node.kernel.start_all()
        await node.settle()
        await node.kill(pid_of("parent"))
        assert [s.id for s in node.kernel.standings()] == [pid_of("free")]
        await node.kernel.records.flush()
    async with kernel_node(store.crash()) as node:
        assert await boot(node) == [pid_of("free")]


async def test_a_family_that_was_not_started_yet_ends_as_one():
    store = await family(MemoryStore())
    async with kernel_node(store) as node:
        await boot(node)
        await node.kill(pid_of("parent"))
        assert [s.id for s in node.kernel.standings()] == [pid_of("free")]


async def test_of_one_that_is_not_started_yet_a_stop_forgets_nothing():
    store = await family(MemoryStore())
    async with kernel_node(store) as node:
        await boot(node)
        await node.kernel.stop()
    async with kernel_node(store.crash()) as node:
        assert len(await boot(node)) == 4


async def test_children_of_a_parent_that_does_not_come_back_are_gone_as_well():
    store = await family(MemoryStore(), keep_parent=False)
    for _ in range(2):
        async with kernel_node(store) as node:
            assert await boot(node) == [pid_of("free")]
            assert [s.id for s in node.kernel.standings()] == [pid_of("free")]
            await node.kernel.records.flush()
        store = store.crash()


async def test_of_a_parent_that_cannot_be_loaded_the_children_wait_as_well():
    store = await family(MemoryStore())
    async with kernel_node(store) as node:
        for path in ("/child.py", "/grandchild.py", "/free.py"):
            node.programs.at[path] = Code(idle)
        await node.kernel.restore()
        node.kernel.start_all()
        await node.settle()
        states = {name: node.state(pid_of(name)) for name in ("parent", "child", "grandchild", "free")}
        assert states == {"parent": "ended", "child": "ended", "grandchild": "ended", "free": "running"}
        errors = {str(s.id): s.last_error for s in node.kernel.standings()}
        assert errors["grandchild:test:test"] == "its parent child:test:test cannot be started"
    async with kernel_node(store.crash()) as node:
        assert len(await boot(node)) == 4, "all of them are there for the repair"


@pytest.mark.parametrize("names", [("child", "grandchild"), ("x", "a")])
async def test_no_orphan_is_left_whichever_name_comes_first(names: tuple[str, str]):
    store = MemoryStore()
    async with kernel_node(store) as node:
        parent = await node.puppet("parent")
        child = await spawned(node, parent, names[0], OnExit.restart())
        await spawned(node, child, names[1], OnExit.restart())
        await node.kernel.records.flush()
    async with kernel_node(store.crash()) as node:
        for name in names:
            node.programs.at[f"/{name}.py"] = Code(idle)
        assert await node.kernel.restore() == []
        assert node.kernel.standings() == []


async def test_only_a_record_of_one_that_ends_with_its_parent_names_that_one():
    """Whatever wrote the others before could not know of parents."""
    store = await family(MemoryStore())
    records = {key: parse(value) for key, value in await store.scan("processes")}
    assert {key: record.get("parent", "none") for key, record in records.items()} == {
        "parent:test:test": "none",
        "child:test:test": "parent:test:test",
        "grandchild:test:test": "child:test:test",
        "free:test:test": "none",
    }


# -- any family


@attrs.define
class Kin:
    """What should be: who runs, and whom each ends with."""

    parent: dict[str, str | None] = attrs.Factory(dict)

    def ends(self, name: str, *, itself: bool) -> None:
        for child in [child for child, parent in self.parent.items() if parent == name]:
            self.ends(child, itself=True)
        if itself:
            del self.parent[name]


STEP = st.one_of(
    st.tuples(st.just("spawn"), st.integers(0, 9), st.booleans(), st.booleans()),
    st.tuples(st.sampled_from(["crash", "done", "kill"]), st.integers(0, 9)),
)


@settings(deadline=None)
@given(st.lists(STEP, max_size=12))
async def test_whatever_happens_in_a_family_those_run_that_should(steps: list[tuple[object, ...]]):
    async with law_node() as (node, watched):
        root = await node.puppet("root")
        puppets, rules, kin = {"root": root}, {"root": OnExit.none()}, Kin({"root": None})
        for step in steps:
            if not kin.parent:
                break
            name = list(kin.parent)[int(str(step[1])) % len(kin.parent)]
            puppet = puppets[name]
            match step:
                case ("spawn", _, bool(detached), bool(restarts)):
                    child = f"p{len(puppets)}"
                    rules[child] = OnExit.restart() if restarts else OnExit.none()
                    puppets[child] = await spawned(node, puppet, child, rules[child], detached=detached)
                    kin.parent[child] = None if detached else name
                    continue
                case ("crash", _):
                    await puppet.crash()
                case ("done", _):
                    puppet.finish()
                case _:
                    await node.kill(puppet)
            await trio.sleep(1000)
            kin.ends(name, itself=step[0] == "kill" or rules[name].is_none())
            assert {str(s.id).split(":")[0] for s in node.kernel.standings()} == set(kin.parent)
        assert watched.verdict() is None


async def test_a_child_that_was_asked_to_end_for_its_parent_is_not_asked_again():
    async with kernel_node() as node:
        parent = await node.puppet("parent")
        child = await spawned(node, parent, "child")
        process = node.kernel.router.processes[child.pid]
        node.kernel.lifecycle.ask_end(process, ExitCause.KILLED)
        await node.kill(parent)
        assert [str(e.subject) for e in node.seen(EventKind.ENDING)] == [
            "child:test:test",
            "parent:test:test",
        ]
