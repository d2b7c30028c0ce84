"""What processes and the kernel print: to stderr, to rotating files, and to a ring of recent lines.

A line is put into a bounded queue; a thread formats and writes it. So a terminal that nobody reads, or a full
disk, delays nobody: lines that find the queue full are counted, and their number is written once there is
room.
"""

from __future__ import annotations

import enum
import logging
import os
import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path

import attrs

from kernel import jsontext
from kernel.address import Address
from kernel.last_lines import LastLines
from kernel.ports import Line

FILE_BYTES = 10 * 1024 * 1024
FILES = 5
LOG_FILE = "nectar.log"

_QUEUED = 10_000
_SHOWN = {"\n", "\t"}
_ESCAPED = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if chr(code) not in _SHOWN}


class LogFormat(enum.StrEnum):
    Text = "text"
    Json = "json"


def as_text(line: Line) -> str:
    """Time, source and text; what could move a terminal's cursor is escaped, further lines are indented."""
    return f"{stamp(line.time)} {_writable(line.source)} {shown(_writable(line.text))}"


def shown(text: str) -> str:
    """As it follows time and source."""
    return text.translate(_ESCAPED).rstrip("\n").replace("\n", "\n    ")


def as_json(line: Line) -> str:
    """One JSON object per line."""
    record = {
        "time": stamp(line.time),
        "verbosity": line.verbosity,
        "source": _writable(line.source),
        "text": _writable(line.text),
    }
    return jsontext.dump(record).decode()


_FORMATS: dict[LogFormat, Callable[[Line], str]] = {LogFormat.Text: as_text, LogFormat.Json: as_json}


def stamp(seconds: float) -> str:
    """A time since the epoch as logs show it, in UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _writable(text: str) -> str:
    """The text with each half surrogate, which no file can hold, spelled out."""
    return text.encode("utf-8", "backslashreplace").decode()


def write_to_stderr(text: str) -> None:
    """Straight to the descriptor: a thread that hangs in `sys.stderr` would bring down the interpreter at its
    end.
    """
    rest = text.encode()
    while rest:
        rest = rest[os.write(2, rest) :]


class _RotatingFile(RotatingFileHandler):
    """Loses lines in silence while the disk is full or the folder gone, and writes on when that is over."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            folder / LOG_FILE, maxBytes=FILE_BYTES, backupCount=FILES - 1, encoding="utf-8", delay=True
        )

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        if self.stream is not None:
            with suppress(OSError):
                self.stream.close()
        # Opened again at the next line.
        self.stream = None


class LogConsole:
    """`kernel.ports.Console` of a real node. Close it last: `close` writes what is queued."""

    def __init__(
        self,
        *,
        verbosity: int = 0,
        log_format: LogFormat = LogFormat.Text,
        folder: Path | None = None,
        write: Callable[[str], object] = write_to_stderr,
        recent: int = 1000,
    ) -> None:
        """`folder` gets the files (none without it); `write` shows a line with its newline, and may block or raise."""
        self.verbosity = verbosity
        self.lost = 0
        self._format = _FORMATS[log_format]
        self._write = write
        self._recent = LastLines(recent)
        self._lock = threading.Lock()
        self._file = None if folder is None else _RotatingFile(folder)
        self._queue: queue.Queue[Line | None] = queue.Queue(_QUEUED)
        self._closed = False
        self._thread = threading.Thread(target=self._write_all, name="nectar console", daemon=True)
        self._thread.start()

    def print(self, verbosity: int, source: Address, text: str, *, always: bool = False) -> None:
        if verbosity > self.verbosity and not always:
            return
        with self._lock:
            line = self._recent.add(time.time(), verbosity, source, text)
        if self._closed:
            return
        try:
            self._queue.put_nowait(line)
        except queue.Full:
            self.lost += 1

    def recent(self) -> list[Line]:
        """The last lines, oldest first."""
        with self._lock:
            return self._recent.all()

    def close(self, patience: float = 1.0) -> None:
        """Write what is queued, for at most `patience` seconds. Later prints only go to the ring."""
        if self._closed:
            return
        self._closed = True
        with suppress(queue.Full):
            self._queue.put(None, timeout=patience)
            self._thread.join(patience)

    def _write_all(self) -> None:
        told = 0
        while (line := self._queue.get()) is not None:
            self._show(line)
            if not self._queue.empty():
                continue
            if self.lost > told:
                text = f"{self.lost - told} lines were lost: nobody read them in time"
                self._show(attrs.evolve(line, text=text))
                told = self.lost
            # The queue may have been too full for the mark that ends it.
            if self._closed:
                break
        if self._file is not None:
            self._file.close()

    def _show(self, line: Line) -> None:
        try:
            shown = self._format(line)
        except Exception as error:  # noqa: BLE001 - one line that cannot be shown must not end the log
            text = f"<a line that cannot be shown: {type(error).__name__} for a {type(line.text).__name__}>"
            shown = self._format(attrs.evolve(line, text=text))
        with suppress(Exception):
            self._write(shown + "\n")
        if self._file is not None:
            self._file.handle(logging.makeLogRecord({"msg": shown}))
