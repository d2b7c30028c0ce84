"""`nectar sim replay` of the record of a run: the same packages on virtual time, compared step by step
(docs/record.md).
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs
import trio

from kernel.address import ProcessId
from kernel.kernel import Ports
from runtime.package_code import PackageCode, compile_package
from runtime.packages import read_package
from runtime.record.lines import Created, Started
from runtime.record.reader import ReadRecord, RecordUnreadable, is_record, read_record
from runtime.record.turn_order import first_come_first_run
from runtime.sim.console import MemoryConsole
from runtime.sim.played_devices import NoStore, PlayedChance, PlayedClock, PlayedKeys, PlayedPrograms
from runtime.sim.played_kernel import PlayedKernel
from runtime.sim.record_player import Difference, Over, Player
from runtime.sim.record_text import line_text
from runtime.sim.record_world import RecordedWorld
from sys_processes.app_store.core import METADATA
from sys_processes.app_store.manifest import parse_metadata

__all__ = ["Depth", "RecordUnreadable", "ReplayReport", "ReplayVerdict", "is_record", "replay_record"]

NEIGHBOURS = 5
_SAME_CODE = (
    "  the code is the same: what it takes past process_lib (time, random, files, threads) is not in a record"
)


class ReplayVerdict(enum.StrEnum):
    same = "same"
    different = "different"


@attrs.frozen
class Depth:
    """How many messages lie in the mailbox of a process."""

    process: str
    messages: int


@attrs.frozen
class ReplayReport:
    """`compared` are the steps of packages that were as recorded. `torn`: the end of the file is missing, and was left
    out. `step` is the line of the file that was asked for, with `depths` and `waits` just after it.
    """

    verdict: ReplayVerdict
    path: Path
    lines: int
    compared: int
    digest: str
    is_whole: bool
    torn: bool
    difference: Difference | None
    step: int | None
    around: tuple[str, ...]
    """The lines about the step, or about the difference, each with its number."""
    depths: tuple[Depth, ...]
    waits: tuple[str, ...]
    replaced: bool
    """Whether other code ran than was recorded."""

    @property
    def exit_code(self) -> int:
        return 0 if self.verdict is ReplayVerdict.same else 3

    def text(self) -> str:
        """A screen at most, its last line `digest: <hex> seed: - verdict: <word>`."""
        parts = [*self._difference_text(), *self.around]
        if self.step is not None:
            parts += ["mailboxes:", *(f"  {depth.messages:>5}  {depth.process}" for depth in self.depths)]
            parts += ["waiting:", *(f"  {wait}" for wait in self.waits)]
        if not self.is_whole:
            cut = ", and its last line is torn" if self.torn else ""
            parts.append(f"the node did not stop in order: the record ends early{cut}")
        parts.append(f"{self.lines} lines, {self.compared} steps of packages as recorded")
        parts.append(f"digest: {self.digest} seed: - verdict: {self.verdict}")
        return "\n".join(parts)

    def _difference_text(self) -> list[str]:
        found = self.difference
        if found is None:
            return []
        return [
            f"first difference at {self.path}:{found.line}, {found.at:.6f} s, {found.process}, task {found.task}",
            f"  recorded: {found.recorded or 'nothing more of this task'}",
            f"  now:      {found.happened}",
            *([f"  by:       {found.where}"] if found.where is not None else []),
            *([] if self.replaced else [_SAME_CODE]),
        ]


def replay_record(path: Path, *, step: int | None = None, packages: Sequence[Path] = ()) -> ReplayReport:
    """Run the record's packages again, and compare. `step`: up to and with that line of the file. `packages` are
    folders whose code runs in the place of what was recorded of these packages.

    Call it outside of `trio.run`. Raises `RecordUnreadable`, OSError, and `PackageError` and `ProgramError` for
    packages that cannot be read.
    """
    recording = read_record(path)
    if step is not None and not 1 <= step <= len(recording.lines) + 1:
        raise RecordUnreadable(path, step, f"is no line of the record, which has {len(recording.lines) + 1}")
    _check_code(recording)
    clock = PlayedClock(recording.head.at)
    replaced = {code.root: code for code in map(_code_of, packages)}
    with first_come_first_run():
        return trio.run(_replay, recording, clock, replaced, step, clock=clock)


def _check_code(recording: ReadRecord) -> None:
    """Raises `RecordUnreadable` for a process that ran and whose code was in no file."""
    codeless: dict[ProcessId, None] = {}
    for number, line in enumerate(recording.lines, 2):
        match line:
            case Created(system=False, by=None, code=None):
                codeless[line.process] = None
            case Created():
                codeless.pop(line.process, None)
            case Started(by=None) if line.process in codeless:
                problem = f"the code of {line.process} is in no package, so it cannot be run again"
                raise RecordUnreadable(recording.path, number, problem)


def _code_of(folder: Path) -> PackageCode:
    files = read_package(folder)
    name = next((name for name in METADATA if name in files), METADATA[0])
    metadata, _ = parse_metadata(name, files.get(name, b""))
    inner = {path.removeprefix("pkg/"): data for path, data in files.items() if path.startswith("pkg/")}
    return compile_package(f"/{metadata.package}/pkg", inner)


async def _replay(
    recording: ReadRecord, clock: PlayedClock, replaced: Mapping[str, PackageCode], step: int | None
) -> ReplayReport:
    world = RecordedWorld(recording.head)
    player = Player(recording, clock, world)
    ports = Ports(
        chance=PlayedChance(player),
        store=NoStore(),
        keys=PlayedKeys(recording.lines),
        programs=PlayedPrograms(recording.lines, replaced, player),
        console=MemoryConsole(),
        wall_clock=player.now,
    )
    kernel = PlayedKernel(recording.head.node, ports, player)
    kernel.router.turns = player
    trio.lowlevel.add_instrument(player.names)
    kernel.router.observer = player.observe
    depths: list[Depth] = []
    waits: list[str] = []
    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(kernel.run)
            try:
                await player.play(kernel, step)
            finally:
                depths += [Depth(str(p.pid), len(p.mailbox)) for p in kernel.router.processes.values()]
                waits += player.waits()
                player.finish()
            nursery.cancel_scope.cancel()
    except* Over:
        # A difference in the last step of a process, which no process is there to hear of.
        pass
    found = player.difference
    middle = found.line if found is not None else step
    return ReplayReport(
        ReplayVerdict.same if found is None else ReplayVerdict.different,
        recording.path,
        len(recording.lines) + 1,
        player.compared,
        player.digest,
        recording.is_whole,
        recording.torn,
        found,
        step,
        tuple(_around(recording, middle)) if middle is not None else (),
        tuple(depths),
        tuple(waits),
        bool(replaced),
    )


def _around(recording: ReadRecord, middle: int) -> list[str]:
    shown = []
    for number in range(max(2, middle - NEIGHBOURS), min(len(recording.lines) + 1, middle + NEIGHBOURS) + 1):
        mark = ">" if number == middle else " "
        shown.append(f"{mark} {number:>6}  {line_text(recording.lines[number - 2], recording.head.at):.160}")
    return shown
