"""The files that a failed run leaves: its tape, its log, a diagram of what led to the failure, a test of its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import attrs

from runtime.sim.causes import causal_past
from runtime.sim.choices import Choice
from runtime.sim.log_file import Log, LogEntry, LogHeader, log_of, write_log
from runtime.sim.mover import MOVER
from runtime.sim.pictures.compose import picture_of
from runtime.sim.pictures.model import Picture, cut
from runtime.sim.pictures.svg import svg
from runtime.sim.report_text import Failure, export_pytest, faults_in, short_name
from runtime.sim.tape_file import Tape, write_tape
from runtime.sim.trace import Trace, WorldKind

FOLDER = ".nectar-sim"
TAPE, LOG = ".tape.json", ".jsonl"
LONGEST_TITLE = 110
REPLAY = "runtime.sim.run:replay"


class FoundViolation(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def at(self) -> float: ...
    @property
    def entries(self) -> Sequence[int]: ...
    @property
    def text(self) -> str: ...


class FailedRun(Protocol):
    """A report of `runtime.sim.run`, as far as it is of interest here."""

    @property
    def verdict(self) -> str: ...
    @property
    def seed(self) -> int: ...
    @property
    def digest(self) -> str: ...
    @property
    def tape(self) -> Sequence[Choice]: ...
    @property
    def trace(self) -> Trace: ...
    @property
    def at(self) -> float: ...
    @property
    def violation(self) -> FoundViolation | None: ...
    @property
    def waiting(self) -> Sequence[str]: ...
    @property
    def error(self) -> BaseException | None: ...


def write_evidence(
    run: FailedRun,
    test: str,
    *,
    folder: Path | None = None,
    shrunk: str = "",
    replay: str = REPLAY,
    faults: str = "",
    until: float | None = None,
    scenario: str = "",
) -> Failure:
    """Into `folder`, by default `.nectar-sim` where the command runs; files of the same test and seed are replaced.

    `test` is a name for `find_test`, `shrunk` the line of a shrink that came before, `replay` the function that the
    pytest file calls; `faults` and `until` are for the tape, `scenario` is a file that fails as the run did. The run
    must have kept its trace. Raises OSError.
    """
    folder = folder or Path(FOLDER)
    folder.mkdir(parents=True, exist_ok=True)
    tape = tape_of(run, test, faults=faults, until=until)
    stem = stem_of(test, run.seed)
    entries = write_course(run, folder / stem, tape)
    (folder / f"{stem}.svg").write_text(svg(picture_of_failure(run, entries)), encoding="utf-8")
    pytest = folder / f"test_{stem.replace('-', '_')}.py"
    pytest.write_text(export_pytest(tape, replay=replay), encoding="utf-8")
    return attrs.evolve(
        failure_of(run, entries),
        shrunk=shrunk,
        diagram=str(folder / f"{stem}.svg"),
        tape=str(folder / f"{stem}{TAPE}"),
        pytest=str(pytest),
        scenario=scenario,
    )


def stem_of(test: str, seed: int) -> str:
    """Of the names of all files of a run."""
    return f"{short_name(test)}-{seed}"


def tape_of(run: FailedRun, test: str, *, faults: str = "", until: float | None = None) -> Tape:
    name, text = _said(run)
    said = f"{name}: {text}" if text else name
    return Tape(
        test, run.seed, tuple(run.tape), str(run.verdict), said, run.digest, faults=faults, until=until
    )


def write_course(run: FailedRun, stem: Path, tape: Tape) -> Sequence[LogEntry]:
    """The tape and the log beside each other, and what is in the log. Raises OSError."""
    entries = log_of(run.trace)
    write_tape(stem.with_name(stem.name + TAPE), tape)
    header = LogHeader(1, tape.test, run.seed, run.digest, str(run.verdict))
    write_log(stem.with_name(stem.name + LOG), Log(header, entries))
    return entries


def failure_of(run: FailedRun, entries: Sequence[LogEntry]) -> Failure:
    """Without any files."""
    name, text = _said(run)
    return Failure(
        verdict=str(run.verdict),
        seed=run.seed,
        digest=run.digest,
        at=run.at if run.violation is None else run.violation.at,
        name=name,
        text=text,
        faults=faults_in(entries),
        waiting=run.waiting,
    )


def picture_of_failure(run: FailedRun, entries: Sequence[LogEntry]) -> Picture:
    """What may have led to the violation; of a run that ended otherwise, its ending."""
    name, text = _said(run)
    subtitle = f"{run.verdict} at {run.at:.3f} s · seed {run.seed} · digest {run.digest[:16]}"
    there = {entry.number: entry for entry in entries}
    numbers = [] if run.violation is None else [n for n in run.violation.entries if n in there]
    for number in numbers:
        # The picture shows it.
        text = text.replace(there[number].line, "").rstrip(": ")
    title = f"{name}: {text}" if text else name or str(run.verdict)
    numbers += [entry.number for entry in entries if entry.kind == WorldKind.VIOLATED.value]
    past = None
    if numbers:
        past = [entry.number for entry in causal_past(entries, *numbers)]
    booted = end_of_boot(entries)
    since = [number for number in past or there if number > booted]
    title = cut(title, LONGEST_TITLE)
    picture = picture_of(entries, title=title, subtitle=subtitle, only=since, ending=True)
    if picture.arrows:
        return picture
    return picture_of(entries, title=title, subtitle=subtitle, ending=True)


def end_of_boot(entries: Sequence[LogEntry]) -> int:
    """The number of the entry with which the last node had booted before the test did anything; -1 if there is none."""
    booted: dict[str, None] = {}
    last = -1
    for entry in entries:
        if entry.kind == WorldKind.BOOTED.value and entry.node not in booted:
            booted[entry.node] = None
            last = entry.number
        elif entry.kind == WorldKind.SPOKE.value or (
            entry.message is not None and entry.message.source.endswith(f"@{MOVER}")
        ):
            break
    return last


def _said(run: FailedRun) -> tuple[str, str]:
    """The name of what does not hold, and what was found."""
    if run.violation is not None:
        return run.violation.name, run.violation.text
    if run.error is not None:
        return type(run.error).__name__, str(run.error)
    return "", ""
