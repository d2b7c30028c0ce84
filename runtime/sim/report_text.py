"""What a failed run says on one screen, and the pytest file that fails the same way (DESIGN section 7)."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from textwrap import wrap

import attrs

from runtime.sim.log_file import LogEntry
from runtime.sim.pictures.bands import world_text
from runtime.sim.tape_file import Tape, tape_text
from runtime.sim.trace import WorldKind

MOST_LINES = 14
MOST_FAULTS = 4
MOST_WAITING = 2
WIDTH = 120

_LASTING = {
    WorldKind.CRASHED.value,
    WorldKind.PAUSED.value,
    WorldKind.CUT.value,
    WorldKind.PARTITIONED.value,
    WorldKind.HELD.value,
    WorldKind.DISK.value,
    WorldKind.CLOCK.value,
}
_OF_PACKETS = {
    WorldKind.LOST.value: "lost",
    WorldKind.DOUBLED.value: "doubled",
    WorldKind.DELAYED.value: "delayed against the order",
}
_ENDED = "no longer "
"""How a note begins that tells the end of a fault of a disk."""
_OF_A_PARTITION = re.compile(r"\bpartition\b")


@attrs.frozen
class Fault:
    """Something that went wrong from `at` on, in virtual seconds."""

    at: float
    text: str

    def line(self) -> str:
        return f"{self.at:10.3f} s  {self.text}"


def faults_in(entries: Iterable[LogEntry]) -> list[Fault]:
    """All that the world did to the nodes, in order. Packets that fared the same way between two nodes are one fault;
    those that ran into a partition are none of their own.
    """
    found: list[Fault] = []
    packets: dict[tuple[str, str, str], tuple[float, int]] = {}
    for entry in entries:
        if entry.kind in _LASTING and not entry.note.startswith(_ENDED):
            found.append(Fault(entry.at, world_text(entry)))
        elif entry.kind in _OF_PACKETS and not _OF_A_PARTITION.search(entry.note):
            way = entry.kind, entry.node, entry.other
            first, count = packets.get(way, (entry.at, 0))
            packets[way] = first, count + 1
    for (kind, node, other), (at, count) in packets.items():
        where = f" {node} > {other}" if other else f" {node}" if node else ""
        found.append(Fault(at, f"{count} packet{'' if count == 1 else 's'} {_OF_PACKETS[kind]}{where}"))
    return sorted(found, key=lambda fault: fault.at)


@attrs.frozen
class Failure:
    """`name` is that of the property, `at` virtual seconds. `shrunk` is the line of `runtime.sim.shrink`; paths are
    relative to where the command runs, and empty where there is no such file. `again` is the command that repeats the
    run, unless it is the replay of the tape.
    """

    verdict: str
    seed: int
    digest: str
    at: float
    name: str = ""
    text: str = ""
    faults: Sequence[Fault] = ()
    shrunk: str = ""
    waiting: Sequence[str] = ()
    diagram: str = ""
    tape: str = ""
    pytest: str = ""
    again: str = ""
    scenario: str = ""


def failure_text(failure: Failure) -> str:
    """At most `MOST_LINES` lines, ending without a newline; the last is `last_line`."""
    named = f": {failure.name}" if failure.name else ""
    head = _cut(f"{failure.verdict}{named} at {failure.at:.3f} s of virtual time")
    rest = _after_the_text(failure)
    return "\n".join([head, *_wrapped(failure.text, MOST_LINES - 1 - len(rest)), *rest])


def _wrapped(text: str, most: int) -> list[str]:
    lines = wrap(" ".join(text.split()), WIDTH, initial_indent="  ", subsequent_indent="  ")
    return lines if len(lines) <= most else [*lines[: most - 1], f"{lines[most - 1][: WIDTH - 2]} …"]


def _after_the_text(failure: Failure) -> list[str]:
    lines: list[str] = []
    shrunk = f" ({failure.shrunk})" if failure.shrunk else ""
    count = len(failure.faults)
    remain = "" if not failure.shrunk else " remains" if count == 1 else " remain"
    lines.append(f"{count or 'no'} fault{'' if count == 1 else 's'}{remain}{shrunk}")
    lines += _first_of([_cut(fault.line()) for fault in failure.faults], MOST_FAULTS, "faults")
    lines += _first_of([_cut(f"waiting: {line}") for line in failure.waiting], MOST_WAITING, "that wait")
    if failure.diagram:
        lines.append(f"diagram: {failure.diagram}")
    if failure.pytest:
        lines.append(f"as a test: pytest {failure.pytest}")
    if failure.scenario:
        lines.append(f"as a scenario: nectar sim run {shlex.quote(failure.scenario)}")
    if failure.again or failure.tape:
        lines.append(f"again: {failure.again or replay_command(failure.tape)}")
    lines.append(last_line(failure.digest, failure.seed, failure.verdict))
    assert len(lines) < MOST_LINES - 1
    return lines


def replay_command(tape: str) -> str:
    return f"nectar sim replay {shlex.quote(tape)}"


def last_line(digest: str, seed: int | str, verdict: str) -> str:
    """The last line of every run."""
    return f"digest: {digest} seed: {seed} verdict: {verdict}"


def _first_of(lines: list[str], most: int, what: str) -> list[str]:
    if len(lines) <= most:
        return lines
    return [*lines[: most - 1], f"             and {len(lines) - most + 1} {what} more"]


def _cut(line: str) -> str:
    return line if len(line) <= WIDTH else line[: WIDTH - 1] + "…"


# -- a test that fails the same way

_SOURCE = '''\
"""Fails as `{test}` did with seed {seed}, until what it found is mended:

    {verdict}: {violation}
"""

from {module} import {function}
from runtime.sim.named_tests import find_test
from runtime.sim.tape_file import parse_tape

TAPE = r\'\'\'{tape}\'\'\'


def test_{name}_seed_{number}():
    tape = parse_tape(TAPE)
    report = {function}(find_test(tape.test), tape.choices, seed=tape.seed{rules})
    assert report.verdict == "ok", f"{{report.verdict}}: {{report.violation or report.error}}"
'''


def export_pytest(tape: Tape, *, replay: str = "runtime.sim.run:replay") -> str:
    """The source of a pytest file that replays the tape and fails as the run did. `replay` is the function that does.

    Run it where the name of the tape's test is found: for a file, where its path begins.
    """
    module, _, function = replay.partition(":")
    rules = f", faults={tape.faults!r}" if tape.faults else ""
    rules += "" if tape.until is None else f", until={tape.until!r}"
    text = tape_text(tape).replace("'", r"\u0027").strip()
    return _SOURCE.format(
        test=_harmless(tape.test),
        seed=tape.seed,
        verdict=_harmless(tape.verdict or "failed"),
        violation=_harmless(tape.violation or tape.verdict),
        module=module,
        function=function,
        tape=text,
        rules=rules,
        name=short_name(tape.test),
        number=f"{tape.seed}".replace("-", "minus_"),
    )


def _harmless(text: str) -> str:
    """As words of a docstring, in one line."""
    shown = "".join(c if c.isprintable() else " " for c in text)
    return _cut(" ".join(shown.split()).replace("\\", "/").replace('"', "'"))


def short_name(test: str) -> str:
    """Of a test, for files and functions: `converges` of `tests/test_chat.py::test_converges`."""
    last = re.split(r"[:./]+", test.removesuffix(".toml"))[-1]
    return re.sub(r"\W+", "_", last).strip("_").removeprefix("test_") or "run"
