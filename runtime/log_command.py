"""What `nectar logs` does: the lines of HOME/nectar.log and of the files that it was rotated into."""

from __future__ import annotations

import os
import re
import time
from collections import deque
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import BinaryIO

import attrs

from kernel.address import ProcessId
from kernel.jsontext import NotJson, dump, parse
from runtime.cli_words import write
from runtime.command_error import CommandError
from runtime.console import FILES, LOG_FILE, shown
from runtime.home import LOGS

_TEXT = re.compile(r"(?P<time>\d{4}-\d\d-\d\dT[\d:.]+Z) (?P<source>\S+) ?(?P<text>.*)")
_LOOK_AGAIN = 0.2


@attrs.frozen
class LogLine:
    """`text` may have several lines. `verbosity` None: a log of text does not say."""

    time: str
    source: str
    text: str
    verbosity: int | None = None


def show_logs(home: Path, process: ProcessId | None, *, lines: int, follow: bool, as_json: bool) -> None:
    """The last `lines` of a node, or of one process. Raises `CommandError`."""
    folder = log_folder(home)
    wanted = None if process is None else f"@{process}"
    parser = _Parser()
    kept: deque[LogLine] = deque(maxlen=lines)
    with closing(_Reader(folder / LOG_FILE)) as reader:
        for text in _all_text(folder, reader):
            kept.extend(line for line in parser.feed(text) if wanted is None or line.source.endswith(wanted))
        kept.extend(line for line in parser.rest() if wanted is None or line.source.endswith(wanted))
        for line in kept:
            _show(line, as_json=as_json)
        while follow:
            time.sleep(_LOOK_AGAIN)
            there = [line for text in reader.more() for line in parser.feed(text)]
            # The last line is whole when nothing was added since: a long one is not written in one piece.
            for line in there if reader.grew else parser.rest():
                if wanted is None or line.source.endswith(wanted):
                    _show(line, as_json=as_json)


def log_folder(home: Path) -> Path:
    """Where a node of that home writes. Raises `CommandError`."""
    folder = home / LOGS
    if not folder.is_dir():
        raise CommandError(f"{home} is not the home of a node", "nectar logs --home HOME")
    return folder


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
