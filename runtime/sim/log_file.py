"""A trace as plain values, and as JSON lines: what diagrams, causes and `nectar sim diff` are made of.

The first line of a file is a `LogHeader`, each further one a `LogEntry`. An entry holds the line of text that the
digest is over, so a log that was read can be compared with any other.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import attrs

from kernel.codec import Malformed, Shape
from kernel.debug import LoggedMessage, logged
from runtime.sim.trace import Entry, Trace

FORMAT = 1


class BadLog(ValueError):
    """A file that is no log of a simulated run; the text says which line of it, and what was expected there."""


@attrs.frozen
class LogEntry:
    """`kind` is the value of a `WorldKind` or `EventKind`. `subject` is the process it happened to, or empty."""

    number: int
    at: float
    node: str
    kind: str
    subject: str
    note: str
    other: str
    message: LoggedMessage | None
    line: str


@attrs.frozen
class LogHeader:
    nectar_log: int = FORMAT
    test: str = ""
    seed: int = 0
    digest: str = ""
    verdict: str = ""


@attrs.frozen
class Log:
    header: LogHeader
    entries: tuple[LogEntry, ...]


HEADER: Shape[LogHeader] = Shape(LogHeader)
ENTRY: Shape[LogEntry] = Shape(LogEntry)


def log_of(trace: Trace | Iterable[Entry]) -> tuple[LogEntry, ...]:
    """The entries that the trace has kept."""
    entries = trace.entries if isinstance(trace, Trace) else trace
    return tuple(_logged(entry) for entry in entries)


def _logged(entry: Entry) -> LogEntry:
    event = entry.event
    line = _sound(entry.line())
    if event is None:
        return LogEntry(
            entry.number,
            entry.at,
            entry.node,
            entry.kind.value,
            "",
            _sound(entry.note),
            entry.other,
            None,
            line,
        )
    subject = "" if event.subject is None else str(event.subject)
    message = None
    if event.message is not None:
        words = line.split()
        # The digest stands behind the target.
        message = logged(event.message, words[words.index("->") + 2])
    return LogEntry(
        entry.number, entry.at, entry.node, entry.kind.value, subject, _sound(event.note), "", message, line
    )


def _sound(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


# -- files


def write_log(path: Path, log: Log) -> None:
    with path.open("wb") as file:
        file.write(HEADER.encode(log.header) + b"\n")
        for entry in log.entries:
            file.write(ENTRY.encode(entry) + b"\n")


def read_log(path: Path) -> Log:
    """Raises `BadLog`, and OSError."""
    with path.open("rb") as file:
        try:
            header = HEADER.decode(file.readline())
        except Malformed as error:
            raise BadLog(f"{path}:1: not the head of a log, {error}; `nectar sim run` writes one") from None
        if header.nectar_log != FORMAT:
            raise BadLog(f"{path}:1: a log of format {header.nectar_log}, this Nectar reads {FORMAT}")
        entries: list[LogEntry] = []
        for number, line in enumerate(file, 2):
            try:
                entries.append(ENTRY.decode(line))
            except Malformed as error:
                raise BadLog(f"{path}:{number}: not an entry of a log, {error}") from None
    return Log(header, tuple(entries))
