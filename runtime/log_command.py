"""What `nectar logs` does: the lines of HOME/nectar.log and of the files that it was rotated into, or those that a
running node keeps.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import BinaryIO

import attrs

from kernel.address import ProcessId
from kernel.debug import MOST_SHOWN, AskLog, LogIs, without_controls
from kernel.jsontext import NotJson, dump, parse
from runtime.cli_words import write
from runtime.command_error import CommandError
from runtime.console import FILES, LOG_FILE, shown, stamp
from runtime.home import LOGS
from runtime.kernel_call import look
from runtime.rpc_client import NodeDoor

_TEXT = re.compile(r"(?P<time>\d{4}-\d\d-\d\dT[\d:.]+Z) (?P<source>\S+) ?(?P<text>.*)")
_LOOK_AGAIN = 0.2
_ASK_AGAIN = 0.5


@attrs.frozen
class LogLine:
    """`text` may have several lines. `verbosity` None: a log of text does not say."""

    time: str
    source: str
    text: str
    verbosity: int | None = None


@attrs.frozen(kw_only=True)
class LogView:
    """What of a log is shown: the last `lines` of it, or of one process, up to a verbosity; and what comes, too."""

    process: ProcessId | None = None
    verbosity: int | None = None
    lines: int
    follow: bool = False
    as_json: bool = False

    def takes(self, line: LogLine) -> bool:
        """Raises `CommandError` when the line does not say enough."""
        if self.process is not None and not line.source.endswith(f"@{self.process}"):
            return False
        if self.verbosity is None:
            return True
        if line.verbosity is None:
            problem = "a log of text does not tell the verbosity of its lines"
            raise CommandError(problem, "nectar logs --url URL --verbosity N, or nectar boot --log json")
        return line.verbosity <= self.verbosity


# -- of a file


def has_log(home: Path) -> bool:
    """Whether a node ever lived there."""
    return (home / LOGS).is_dir()


def show_logs(home: Path, view: LogView) -> None:
    """Raises `CommandError`."""
    if not has_log(home):
        raise CommandError(f"{home} is not the home of a node", "nectar logs --home HOME")
    folder = home / LOGS
    parser = _Parser()
    kept: deque[LogLine] = deque(maxlen=view.lines)
    with closing(_Reader(folder / LOG_FILE)) as reader:
        for text in _all_text(folder, reader):
            kept.extend(filter(view.takes, parser.feed(text)))
        kept.extend(filter(view.takes, parser.rest()))
        for line in kept:
            _show(line, as_json=view.as_json)
        while view.follow:
            time.sleep(_LOOK_AGAIN)
            there = [line for text in reader.more() for line in parser.feed(text)]
            # The last line is whole when nothing was added since: a long one is not written in one piece.
            for line in filter(view.takes, there if reader.grew else parser.rest()):
                _show(line, as_json=view.as_json)


# -- of a running node


def show_kept(door: NodeDoor, view: LogView) -> None:
    """Raises `CommandError`, also when the node ends while it is followed."""
    question = AskLog(view.process, view.verbosity, None, view.lines)
    found = look(door, question, LogIs)
    _show_answer(found, "earlier lines had no room in one answer", as_json=view.as_json)
    while view.follow:
        time.sleep(_ASK_AGAIN)
        found = look(door, attrs.evolve(question, after=found.upto, most=MOST_SHOWN), LogIs)
        _show_answer(found, "lines came and went between two looks", as_json=view.as_json)


def _show_answer(found: LogIs, missed: str, *, as_json: bool) -> None:
    if found.missed:
        sys.stderr.write(f"{found.missed} {missed}\n")
    for line in found.lines:
        _show(
            LogLine(stamp(line.at), without_controls(line.source), line.text, line.verbosity), as_json=as_json
        )


# -- shown


def _show(line: LogLine, *, as_json: bool) -> None:
    if as_json:
        write(dump(attrs.asdict(line)).decode())
    else:
        # A log of JSON holds what was printed as it was.
        write(f"{line.time} {line.source} {shown(line.text)}")


def _all_text(folder: Path, reader: _Reader) -> Iterator[str]:
    """Of the oldest file first."""
    for number in range(FILES - 1, 0, -1):
        older = folder / f"{LOG_FILE}.{number}"
        if older.exists():
            yield older.read_text("utf-8", errors="replace")
    yield from reader.more()


class _Reader:
    """What is added to a file, through its rotation. It may come only later."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO | None = None
        self._rest = b""
        self.grew = False
        """Whether there was anything new, be it less than a line, when it was last asked for more."""

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def more(self) -> Iterator[str]:
        """Whole lines."""
        self.grew = False
        while True:
            yield from self._read()
            try:
                there = self._path.stat().st_ino
            except FileNotFoundError:
                return
            if self._file is not None:
                if there == os.fstat(self._file.fileno()).st_ino:
                    return
                # Rotated: what was written to the old file since is read first.
                yield from self._read()
                self._file.close()
            self._file = self._path.open("rb")

    def _read(self) -> Iterator[str]:
        added = b"" if self._file is None else self._file.read()
        self.grew = self.grew or bool(added)
        whole, newline, self._rest = (self._rest + added).rpartition(b"\n")
        if newline:
            yield (whole + newline).decode(errors="replace")


class _Parser:
    """Lines of either format of a log; those that begin with four spaces go on with the one before."""

    def __init__(self) -> None:
        self._open: LogLine | None = None

    def feed(self, text: str) -> Iterator[LogLine]:
        # Not `splitlines`: what a process prints may hold what Unicode takes for the end of a line.
        for raw in text.split("\n"):
            if raw.startswith("    ") and self._open is not None:
                self._open = attrs.evolve(self._open, text=f"{self._open.text}\n{raw[4:]}")
                continue
            found = _parsed(raw)
            if found is not None:
                yield from self.rest()
                self._open = found

    def rest(self) -> Iterator[LogLine]:
        """The last one, to which nothing will be added."""
        if self._open is not None:
            yield self._open
        self._open = None


def _parsed(raw: str) -> LogLine | None:
    if raw.startswith("{"):
        try:
            found = parse(raw.encode())
        except NotJson:
            return None
        match found:
            case {"time": str(when), "source": str(source), "text": str(text), "verbosity": int(verbosity)}:
                return LogLine(when, source, text, verbosity)
        return None
    match = _TEXT.fullmatch(raw)
    return None if match is None else LogLine(match["time"], match["source"], match["text"])
