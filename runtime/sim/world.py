"""A simulated world, as its test sees it: nodes, time, choices, and what must hold."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from math import inf

import trio
import trio.testing

from kernel.events import EventKind
from runtime.loader import GuardOf
from runtime.sim.boot import record_of
from runtime.sim.choices import Choices
from runtime.sim.cover import Cover
from runtime.sim.escapes import EscapedSimulation
from runtime.sim.guards import WorldGuard
from runtime.sim.laws import Laws
from runtime.sim.net import SimNet
from runtime.sim.properties import PairPredicate, Predicate, Properties
from runtime.sim.sim_node import App, SimNode
from runtime.sim.storm import Nemesis, Storm
from runtime.sim.trace import Entry, Monitor, Trace, WorldKind
from runtime.sim.turns import Turns
from runtime.sim.violation import Violation
from runtime.sim.waits import waiting
from runtime.sim.wires import Fixed
from runtime.sim.workers import Pause
from sys_processes.http_server.settings import HttpSettings

Finish = Callable[[float], Violation | None]
"""Given the virtual time of the end."""

CALM_SECONDS = 1.0
"""How long nothing may be under way for `settle`: a message between nodes waits for nobody but its link."""
SETTLE_SECONDS = 300.0
"""By then a node has given up whom it does not reach, and what it sent to it has come back (docs/nodes.md)."""
LINK_SECONDS = 0.001
"""From node to node, each way, while nobody says otherwise."""
POLL_SECONDS = 0.1
"""How often `until` looks while nothing happens: what it looks at may be the time."""


_MOVES = (EventKind.APPENDED, EventKind.ANSWERED, EventKind.RETURNED)


class TookTooLong(AssertionError):
    """What the test waited for did not come in the virtual time that it gave; the text says who waits for whom."""


class World:
    """Made by `run`, one for each run. Everything in it happens in one interpreter, in virtual time.

    Time only moves when every task waits. It begins at 0; nothing that happened before, in this world's process, has
    any influence on it.
    """

    WORK_SECONDS = 0.001
    """The most that a piece of blocking work (compiling, hashing) takes; how much is a choice."""

    def __init__(
        self,
        seed: int,
        choices: Choices,
        trace: Trace,
        turns: Turns,
        on_violation: Callable[[Violation], None],
    ) -> None:
        self.seed = seed
        """Of everything drawn that is no decision: ids, keys, what actors draw."""
        self.choices = choices
        self.trace = trace
        self.turns = turns
        self.net = SimNet(choices, trace)
        self.net.every_link().latency(Fixed(LINK_SECONDS))
        """Between the nodes: fair, until the test or a fault changes it."""
        self.nodes: dict[str, SimNode] = {}
        """All there ever were, by name, in the order of their first boot."""
        self.storm = Storm(self)
        """The faults that happened, and those to come."""
        self.cover = Cover()
        """Call it with the name of a goal that this run has reached."""
        guard = WorldGuard(self._escaped)
        self.guard: GuardOf = lambda _package: guard
        """What the code of packages sees of Python, in nodes that boot from now on."""
        self._properties = Properties(lambda: self.now, on_violation)
        self._laws = Laws(on_violation)
        for monitor in (self._laws, self._properties.check, self.cover.check):
            trace.watch(monitor)
        self._finishers: list[Finish] = []
        self._on_violation = on_violation
        self._nursery: trio.Nursery | None = None
        self._on_error: Callable[[Exception], None] | None = None

    def open(self, nursery: trio.Nursery, on_error: Callable[[Exception], None]) -> None:
        """The world runs, in that nursery. `on_error` hears what a task of `start_soon` raises, and ends the run."""
        self._nursery = nursery
        self._on_error = on_error

    @property
    def nursery(self) -> trio.Nursery:
        """For tasks of the test that go on until the world ends."""
        assert self._nursery is not None, "the world does not run"
        return self._nursery

    # -- nodes

    async def node(
        self,
        name: str,
        apps: Sequence[App] = (),
        *,
        http: HttpSettings | None = None,
        client: bytes = b"",
        verbosity: int = 3,
    ) -> SimNode:
        """Boot a node by the code that boots a real one; it and all other nodes know each other.

        `apps`: folders or files of packages, approved and installed, and functions `async def init(our)`, each a
        process started at every boot. Raises `BadNodeName`, `PackageRefused`.
        """
        if name in self.nodes:
            raise ValueError(f"this world has a node {name!r} already: restart() boots it again")
        node = SimNode(self, name, apps, http or HttpSettings(), client, verbosity)
        self.nodes[name] = node
        try:
            await node.start_up()
        except BaseException:
            del self.nodes[name]
            raise
        return node

    def introduce(self, node: SimNode) -> None:
        """To all other nodes, and them to it: what a registry of the real world would do."""
        record = record_of(node.name, node.runs)
        for other in self.nodes.values():
            if other is not node:
                other.registry.put(record)
                node.registry.put(record_of(other.name, other.runs))

    # -- time

    @property
    def now(self) -> float:
        """Virtual seconds since the world began."""
        return trio.current_time()

    @staticmethod
    async def sleep(seconds: float) -> None:
        await trio.sleep(seconds)

    async def until(self, holds: Callable[[], object], timeout: float = 60.0) -> None:
        """Return when it holds. It is asked again whenever something happened. Raises `TookTooLong`."""
        with trio.move_on_after(timeout):
            while not holds():
                await self._happening(POLL_SECONDS)
            return
        what = getattr(holds, "__name__", "what the test waits for")
        raise TookTooLong(self._explained(f"{what} did not hold within {timeout:g} s"))

    async def _happening(self, patience: float) -> None:
        """Until the next entry of the trace, or so many seconds."""
        happened = trio.Event()

        def wake(_entry: Entry) -> None:
            happened.set()

        self.watch(wake)
        try:
            with trio.move_on_after(patience):
                await happened.wait()
        finally:
            self.trace.unwatch(wake)

    async def settle(self, limit: float = SETTLE_SECONDS, calm: float = CALM_SECONDS) -> None:
        """Return when no message was under way for `calm` seconds: every mailbox empty, no request open, none to
        another node that neither arrived nor came back.

        Nodes that are paused, down, or parted from each other do not count. Raises `TookTooLong`.
        """
        moved = self.now

        def note(entry: Entry) -> None:
            nonlocal moved
            if entry.kind in _MOVES:
                moved = entry.at

        self.watch(note)
        try:
            with trio.move_on_after(limit):
                while True:
                    await trio.testing.wait_all_tasks_blocked()
                    if not self._is_quiet():
                        moved = self.now
                    elif self.now >= moved + calm:
                        return
                    await trio.sleep(calm / 8)
        finally:
            self.trace.unwatch(note)
        raise TookTooLong(self._explained(f"messages were still under way after {limit:g} s"))

    def _is_quiet(self) -> bool:
        if self.net.in_flight_count():
            return False
        if any(node.is_booting and not node.paused for node in self.nodes.values()):
            return False
        counting = {name: node for name, node in self.nodes.items() if node.is_up and not node.paused}
        for source, target in self._laws.under_way():
            if source in counting and target in counting and self.net.is_open(source, target):
                return False
        for node in counting.values():
            router = node.kernel.router
            if router.open or any(len(process.mailbox) for process in router.processes.values()):
                return False
        return True

    def _explained(self, text: str) -> str:
        return "\n  ".join([text, *self.waiting(None)])

    def waiting(self, test: trio.lowlevel.Task | None) -> tuple[str, ...]:
        """Who waits for whom, a line each."""
        return waiting(self.nodes.values(), test)

    def pause(self, label: str, longest: float) -> Pause:
        """For a device: a pause of up to so many seconds, each a choice."""

        async def pause() -> None:
            await trio.sleep(self.choices.among(label, 0.0, longest))

        return pause

    # -- what goes wrong

    def nemesis(self, *nemeses: Nemesis, seconds: float = inf) -> None:
        """Let them strike from now on, for so long or until `heal`."""
        self.start_soon(partial(self.storm.run, nemeses, seconds, scope=self.storm.announce()))

    async def heal(self) -> None:
        """The end of all faults, also of those that the run was given: nodes that they crashed run again, clocks are
        right, disks have room, the network loses nothing. What must come to pass, does so from here on.
        """
        await self.storm.heal_all()

    # -- what happens, and must hold

    def note(self, kind: WorldKind, node: str = "", text: str = "", other: str = "") -> None:
        """An entry of the world's own in the trace."""
        self.trace.add(self.now, node, kind, note=text, other=other)

    def say(self, text: str, node: str = "") -> None:
        """What the test did, or saw, for whoever reads the trace."""
        self.note(WorldKind.SPOKE, node, text)

    def watch(self, monitor: Monitor) -> None:
        """Show it every entry of the trace from now on, in the step in which it happens."""
        self.trace.watch(monitor)

    def always(self, name: str, predicate: Predicate) -> None:
        """True after each entry of the trace from now on (`runtime.sim.properties`)."""
        self._properties.always(name, predicate)

    def never(self, name: str, predicate: Predicate) -> None:
        """False after each entry from now on."""
        self._properties.never(name, predicate)

    def eventually(self, name: str, predicate: Predicate, *, within: float | None = None) -> None:
        """True at least once, within so many virtual seconds, or before the test ends."""
        self._properties.eventually(name, predicate, within=within)

    def leads_to(
        self, name: str, cause: Predicate, effect: PairPredicate, *, within: float | None = None
    ) -> None:
        """Whenever `cause` holds, `effect` does then or later, in time."""
        self._properties.leads_to(name, cause, effect, within=within)

    def _escaped(self, error: EscapedSimulation) -> None:
        self.violate("escaped simulation", str(error))

    def at_end(self, finish: Finish) -> None:
        """Ask it when the test has ended well, whether what must have happened did."""
        self._finishers.append(finish)

    def finish(self) -> Violation | None:
        """The first violation that only the end of the run shows."""
        found = (
            finish(self.now) for finish in (self._laws.finish, self._properties.finish, *self._finishers)
        )
        return next((violation for violation in found if violation is not None), None)

    def violated(self, violation: Violation) -> None:
        """Something does not hold: the run ends, and its report says so. Only the first one counts."""
        self._on_violation(violation)

    def violate(self, name: str, text: str = "", entries: Sequence[int] = ()) -> None:
        """`violated`, now."""
        self.violated(Violation(name, self.now, tuple(entries), text))

    def start_soon(self, task: Callable[..., Awaitable[object]], *args: object) -> None:
        """A task of the test beside its main one; cancelled when the world ends. What it raises ends the world."""
        self.nursery.start_soon(self._beside, task, args)

    async def _beside(self, task: Callable[..., Awaitable[object]], args: Sequence[object]) -> None:
        assert self._on_error is not None
        try:
            await task(*args)
        except Exception as error:  # noqa: BLE001 - it is the outcome of the run
            # Left to the nursery, it would wait for nodes that are paused or being crashed, which end with the world.
            self._on_error(error)
