"""A scenario: nodes, links, phases with workloads and faults, and checks, in a TOML file (docs/scenarios.md).

A `Scenario` is a test of a world as any other: `run(read_scenario("three.toml"), seed=1)`. Its phases are played one
after the other; then everything is healed, what is under way settles, and the checks are asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import attrs
import trio

from runtime.node import PackageFiles
from runtime.options import example_packages
from runtime.packages import read_package
from runtime.sim.cover import NothingShown
from runtime.sim.faults import Faults
from runtime.sim.net import SimNet
from runtime.sim.scenarios.checks import Check, Known, read_check
from runtime.sim.scenarios.faults import PhaseFaults, read_faults
from runtime.sim.scenarios.stage import Stage
from runtime.sim.scenarios.table import BadScenario, Table, read_toml
from runtime.sim.scenarios.workloads import Workload, read_workload
from runtime.sim.wires import Exponential, Fixed, Latency, LinkControl, Uniform
from runtime.sim.world import TookTooLong, World
from sys_processes.app_store.core import METADATA
from sys_processes.app_store.fields import PackageError

UNTIL_SECONDS = 600.0
SETTLE_SECONDS = 60.0
FAULTS = {"none": Faults.none, "swarm": Faults.swarm}
CHOICES = ("seed", "harmless")

__all__ = ["FAULTS", "BadScenario", "Scenario", "parse_scenario", "read_scenario", "scenario_of"]


@attrs.frozen
class NodePlan:
    name: str
    apps: tuple[PackageFiles, ...]


@attrs.frozen
class LinkPlan:
    """Between two nodes, or `pair` None for every link; None is what is left as it is."""

    pair: tuple[str, str] | None
    both: bool
    latency: Latency | None
    loss: float | None
    dup: float | None
    reorder: float | None
    late: float
    bandwidth: float | None

    def apply(self, net: SimNet) -> None:
        link = net.every_link() if self.pair is None else net.link(*self.pair, both=self.both)
        if self.latency is not None:
            link.latency(self.latency)
        self._trouble(link)
        if self.bandwidth is not None:
            link.bandwidth(self.bandwidth)

    def _trouble(self, link: LinkControl) -> None:
        if self.loss is not None:
            link.loss(self.loss)
        if self.dup is not None:
            link.dup(self.dup)
        if self.reorder is not None:
            link.reorder(self.reorder, self.late)


@attrs.frozen
class Phase:
    """Lasts until its workloads have ended, and at least so many `seconds`; its faults end with it. With `heal`, all
    other faults end as it begins, for good.
    """

    title: str
    seconds: float
    heal: bool
    workloads: tuple[Workload, ...]
    faults: PhaseFaults


@attrs.frozen(eq=False)
class Scenario:
    """`name` is the file as it was named, `tables` is what it holds, `folder` where it is. `harmless`: every
    choice is the harmless one, unless a tape says otherwise.
    """

    name: str
    seed: int
    until: float
    harmless: bool
    faults: Faults
    settle: float
    nodes: tuple[NodePlan, ...]
    links: tuple[LinkPlan, ...]
    phases: tuple[Phase, ...]
    checks: tuple[Check, ...]
    tables: dict[str, object]
    folder: Path

    async def __call__(self, world: World) -> None:
        stage = Stage(world)
        for check in self.checks:
            check.open(stage)
        for link in self.links:
            link.apply(world.net)
        for node in self.nodes:
            await world.node(node.name, node.apps)
        for number, phase in enumerate(self.phases, 1):
            world.say(phase_note(number, phase.title))
            await _play(phase, stage)
        await world.heal()
        world.say("all is healed")
        await self._settle(world)
        if stage.is_idle:
            raise NothingShown("no workload sent anything")
        for check in self.checks:
            await check.close(stage)

    async def _settle(self, world: World) -> None:
        if self.settle:
            try:
                await world.settle(self.settle)
            except TookTooLong:
                world.say(f"messages were still under way after {self.settle:g} s")

    def without_faults(self) -> Scenario:
        """Those of its phases and its world are left out."""
        phases = tuple(attrs.evolve(phase, faults=PhaseFaults()) for phase in self.phases)
        return attrs.evolve(self, phases=phases, faults=Faults.none())


def phase_note(number: int, title: str) -> str:
    """What the trace says as a phase begins."""
    return f"phase {number}: {title}"


async def _play(phase: Phase, stage: Stage) -> None:
    world = stage.world
    stage.phase = phase.title
    if phase.heal:
        await world.heal()
    over = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(phase.faults.play, world.storm, over)
        async with trio.open_nursery() as work:
            for workload in phase.workloads:
                work.start_soon(workload.play, stage)
            await trio.sleep(phase.seconds)
        over.set()


# -- reading it


def read_scenario(file: Path | str, name: str | None = None) -> Scenario:
    """`name` is the file as people call it. Raises `BadScenario`, OSError."""
    path = Path(file)
    return parse_scenario(path.read_bytes(), name or str(file), path.parent)


def parse_scenario(raw: bytes, name: str, folder: Path) -> Scenario:
    """Folders of apps are relative to `folder`. Raises `BadScenario`."""
    return scenario_of(read_toml(name, raw), name, folder)


def scenario_of(tables: dict[str, object], name: str, folder: Path) -> Scenario:
    """As `parse_scenario`, of what the file holds. Raises `BadScenario`."""
    top = Table(name, "$", tables)
    world = top.table("world")
    nodes = _nodes(top, folder)
    names = tuple(node.name for node in nodes)
    phases = _phases(top, names)
    workloads = tuple(workload.title for phase in phases for workload in phase.workloads)
    known = Known(names, workloads, tuple(phase.title for phase in phases))
    scenario = Scenario(
        name=name,
        seed=world.whole("seed", 0),
        until=world.number("until", UNTIL_SECONDS, least=0.001),
        harmless=world.one_of("choices", CHOICES, "seed") == "harmless",
        faults=FAULTS[world.one_of("faults", FAULTS, "none")](),
        settle=world.number("settle", SETTLE_SECONDS),
        nodes=nodes,
        links=tuple(_link(table, names) for table in top.tables("link")),
        phases=phases,
        checks=tuple(read_check(table, known) for table in top.tables("check")),
        tables=tables,
        folder=folder,
    )
    world.end()
    top.end()
    return scenario


def _nodes(top: Table, folder: Path) -> tuple[NodePlan, ...]:
    nodes: list[NodePlan] = []
    for table in top.tables("node"):
        name = table.text("name", example='"alice.nec"')
        if any(node.name == name for node in nodes):
            raise table.error("name", f"{name!r} is the name of an earlier node", "choose another one")
        nodes.append(NodePlan(name, tuple(_app(table, app, folder) for app in table.texts("apps", ()))))
        table.end()
    if not nodes:
        raise top.error("node", "there is none", 'write [[node]] and name = "alice.nec"')
    return tuple(nodes)


def _app(table: Table, text: str, folder: Path) -> PackageFiles:
    """A folder, or the name of an example app."""
    examples = {package.name: package for package in example_packages()}
    path = folder / text
    if not path.is_dir():
        path = examples.get(text, path)
    if not path.is_dir():
        fix = f"write a package's folder, relative to the scenario, or one of {', '.join(examples)}"
        raise table.error("apps", f"{text!r} is no folder", fix)
    try:
        files = read_package(path)
    except PackageError as error:
        raise table.error("apps", f"{text}: {error}", "mend the package") from None
    if not any(name in files for name in METADATA):
        raise table.error("apps", f"{text!r} holds no package", f"there is no {' and no '.join(METADATA)}")
    return files


def _link(table: Table, nodes: Sequence[str]) -> LinkPlan:
    every = not (table.has("a") or table.has("b"))
    pair = None if every else (table.one_of("a", nodes), table.one_of("b", nodes))
    if pair is not None and pair[0] == pair[1]:
        raise table.error("b", f"{pair[1]!r} is a, too", "name two nodes")
    plan = LinkPlan(
        pair,
        table.flag("both", default=True),
        _latency(table) if table.has("latency") else None,
        table.probability("loss") if table.has("loss") else None,
        table.probability("dup") if table.has("dup") else None,
        table.probability("reorder") if table.has("reorder") else None,
        table.number("late", 0.05),
        table.number("bandwidth", least=1.0) if table.has("bandwidth") else None,
    )
    table.end()
    return plan


def _latency(table: Table) -> Latency:
    """Seconds, two of them, or a table: exponential around a mean."""
    if not table.is_table("latency"):
        least, most = table.span("latency")
        return Fixed(least) if least == most else Uniform(least, most)
    inner = table.table("latency")
    found = Exponential(inner.number("mean"), inner.number("least", 0.0))
    inner.end()
    return found


def _phases(top: Table, nodes: Sequence[str]) -> tuple[Phase, ...]:
    phases: list[Phase] = []
    for number, table in enumerate(top.tables("phase"), 1):
        phase = Phase(
            table.text("title", f"phase {number}"),
            table.number("seconds", 0.0),
            table.flag("heal", default=False),
            tuple(read_workload(inner, nodes) for inner in table.tables("workload")),
            read_faults(tuple(table.tables("fault")), nodes),
        )
        table.end()
        phases.append(phase)
    if not phases:
        raise top.error("phase", "there is none", "write [[phase]] with a [[phase.workload]]")
    return tuple(phases)
