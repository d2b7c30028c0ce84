"""A log of one process: lines in a file of its package, on the terminal, and at another process (PROTOCOL 5.1).

    log = await logging.init_logging("debug", "info")
    log.info("a game began", players=2)

The file is `/package:publisher/log/{process}.log`, one JSON object a line.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping

import attrs
import trio

from kernel.jsontext import dump
from kernel.message import SendError
from kernel.syscalls import current
from userland.process_lib import vfs
from userland.process_lib._builders import Request, Target
from userland.process_lib._process import now, print_to_terminal, start_soon

__all__ = ["Level", "Logger", "RemoteLogSettings", "init_logging"]

DRIVE = "log"
MOST_BYTES = 8 << 20
MOST_WAITING = 1000
"""Lines that were logged and are not in the file yet."""


class Level(enum.IntEnum):
    ERROR = 1
    WARN = 2
    INFO = 3
    DEBUG = 4
    TRACE = 5


@attrs.frozen
class RemoteLogSettings:
    """Lines up to `level` go to `target` too, as Requests `{"Log": line}` that want no answer."""

    target: Target
    level: Level | str


@attrs.define(eq=False)
class Logger:
    """Its calls never wait, and raise nothing but `TypeError`, for a field that JSON cannot say. Of one process."""

    _file_level: Level
    _terminal_level: Level
    _remote: tuple[Request, Level] | None
    _verbosity: Mapping[Level, int]
    _file: _LogFile

    def error(self, message: str, **fields: object) -> None:
        self.log(Level.ERROR, message, **fields)

    def warn(self, message: str, **fields: object) -> None:
        self.log(Level.WARN, message, **fields)

    def info(self, message: str, **fields: object) -> None:
        self.log(Level.INFO, message, **fields)

    def debug(self, message: str, **fields: object) -> None:
        self.log(Level.DEBUG, message, **fields)

    def trace(self, message: str, **fields: object) -> None:
        self.log(Level.TRACE, message, **fields)

    def log(self, level: Level, message: str, **fields: object) -> None:
        entry = {"at": now(), "level": level.name, "process": str(current().our), "message": message}
        line = dump(entry | ({"fields": fields} if fields else {}))
        if level <= self._file_level:
            self._file.add(line)
        if level <= self._terminal_level:
            shown = "".join(f" {name}={dump(value).decode()}" for name, value in fields.items())
            print_to_terminal(self._verbosity[level], f"{level.name} {message}{shown}")
        if self._remote is not None and level <= self._remote[1]:
            self._remote[0].ipc(dump({"Log": line.decode()})).send()

    async def flush(self) -> None:
        """Return when all that was logged up to now is durable in the file, or lost, which the terminal was told."""
        await self._file.flush()


class _LogFile:
    """Written by a task of its own, so that whoever logs does not wait for the disk."""

    def __init__(self, path: str, most: int) -> None:
        self._path = path
        self._most = most
        self._lines: list[bytes] = []
        self._lost = 0
        self._size = 0
        self._news = trio.Event()
        self._written = trio.Event()

    def add(self, line: bytes) -> None:
        if len(self._lines) >= MOST_WAITING:
            self._lost += 1
            return
        self._lines.append(line)
        self._news.set()

    async def open(self) -> None:
        """Raises `VfsError`, `SendError`."""
        async with vfs.open_file(self._path, create=True) as file:
            self._size = await file.len()

    async def flush(self) -> None:
        while self._lines or self._lost:
            await self._written.wait()

    async def write_all(self) -> None:
        """For ever."""
        while True:
            await self._news.wait()
            self._news = trio.Event()
            lines, lost = list(self._lines), self._lost
            if lost:
                lines.append(
                    dump({"at": now(), "level": Level.WARN.name, "message": f"{lost} lines were lost"})
                )
            try:
                await self._write(b"".join(line + b"\n" for line in lines))
            except (vfs.VfsError, SendError) as error:
                print_to_terminal(0, f"{len(lines)} lines of the log are not in {self._path}: {error}")
            del self._lines[: len(lines) - bool(lost)]
            self._lost -= lost
            self._written.set()
            self._written = trio.Event()

    async def _write(self, data: bytes) -> None:
        if self._size and self._size + len(data) > self._most:
            await vfs.rename(self._path, f"{self._path}.1")
            self._size = 0
        async with vfs.open_file(self._path, create=True) as file:
            await file.append(data)
            await file.sync_all()
        self._size += len(data)


async def init_logging(
    file_level: Level | str = Level.INFO,
    terminal_level: Level | str = Level.INFO,
    remote: RemoteLogSettings | None = None,
    terminal_levels_mapping: tuple[int, int, int, int] | None = None,
    max_log_file_size: int | None = None,
) -> Logger:
    """The log of this process. Levels are `Level` or their names, in any case.

    `terminal_levels_mapping` is the verbosity at which errors, warnings, infos, and the rest are printed: 0, 1, 2, 3. A
    file that would exceed `max_log_file_size` bytes (8 MiB) becomes `{process}.log.1`, in the place of the one before.
    Raises `VfsError`, `SendError` when there can be no file, ValueError for a level or a target that is none.
    """
    our = current().our
    levels = terminal_levels_mapping or (0, 1, 2, 3)
    drive = await vfs.create_drive(our.package_id, DRIVE)
    file = _LogFile(f"{drive}/{our.process_name}.log", max_log_file_size or MOST_BYTES)
    await file.open()
    start_soon(file.write_all)
    return Logger(
        _level(file_level),
        _level(terminal_level),
        None if remote is None else (Request().target(remote.target), _level(remote.level)),
        dict(zip(Level, (*levels, levels[3]), strict=True)),
        file,
    )


def _level(given: Level | str) -> Level:
    if isinstance(given, Level):
        return given
    try:
        return Level[given.upper()]
    except (KeyError, AttributeError):
        raise ValueError(f"a level is one of {', '.join(Level.__members__)}, got {given!r}") from None
