"""Where the nodes of one user on one machine find each other: a folder with a file for each.

A node keeps its file locked for as long as it runs, so an entry without a lock is that of a node that is no more. Keys
here are never pinned: whoever holds the lock has the name. Everything in it is what programs of this user wrote, which
could do anything else to his nodes too; entries must be signed by the key they name all the same.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import attrs
import trio

from kernel.codec import Malformed, Shape
from sys_processes.devices import KeyConflict
from sys_processes.net.identity import BadIdentity, verify_record
from sys_processes.net.protocol import IdentityRecord

VARIABLE = "NECTAR_LOCAL_DIRECTORY"
POLL_SECONDS = 1.0
RESCAN_SECONDS = 0.1
SUFFIX = ".node"
MOST_ENTRIES = 1024
LARGEST_ENTRY = 4096
LOCK_TRIES = 20
"""Somebody who only looks holds a lock for an instant."""
LOCK_PAUSE = 0.01

_ENTRY: Shape[IdentityRecord] = Shape(IdentityRecord)
_OPEN = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class DirectoryUnusable(Exception):
    """The folder cannot be trusted or used; the text says what to do."""


def default_folder(environ: Mapping[str, str]) -> Path:
    """`NECTAR_LOCAL_DIRECTORY`, else a folder of this user's that does not outlive the machine's run."""
    chosen = environ.get(VARIABLE)
    if chosen:
        return Path(chosen)
    runtime = environ.get("XDG_RUNTIME_DIR")
    return Path(runtime) / "nectar" if runtime else _temporary(environ) / f"nectar-{os.getuid()}"


def _temporary(environ: Mapping[str, str]) -> Path:
    """Named without a look at it, which fails where nothing can be written: that must not stop a boot."""
    return Path(environ.get("TMPDIR") or "/tmp")  # noqa: S108 - the folder in it is checked before it is used


@attrs.define(eq=False)
class _Published:
    path: Path
    descriptor: int


class LocalDirectory:
    """`sys_processes.devices.Registry` of the other nodes of this user on this machine.

    The folder is looked at every second while somebody waits for changes, and when a name is asked that is not known.
    What goes wrong with it is told to `report` and stops nothing.
    """

    def __init__(self, folder: Path, report: Callable[[str], None]) -> None:
        self._folder = folder
        self._report = report
        self._reported: str | None = None
        self._published: _Published | None = None
        self._own: IdentityRecord | None = None
        self._records: dict[str, IdentityRecord] = {}
        self._conflict: KeyConflict | None = None
        self._scanned_at = -RESCAN_SECONDS
        self._changed = False

    # -- our own entry

    async def publish(self, record: IdentityRecord) -> None:
        """From now on the others find this node, until `close`. If another one of that name runs, that one stays."""
        self._own = record
        try:
            _prepare(self._folder)
            self._published = await _lock(self._folder / f"{record.name}{SUFFIX}")
            if self._published is not None:
                _write(self._published.descriptor, _ENTRY.encode(record))
        except (DirectoryUnusable, OSError) as error:
            self._complain(f"other nodes of this machine will not find {record.name} by its name: {error}")
        self._scan()

    def close(self) -> None:
        """Take our entry away."""
        published, self._published = self._published, None
        if published is not None:
            with suppress(OSError):
                published.path.unlink()
            os.close(published.descriptor)

    # -- the others

    def find(self, node: str) -> IdentityRecord | None:
        found = self._records.get(node)
        if found is None and trio.current_time() - self._scanned_at >= RESCAN_SECONDS:
            self._scan()
            found = self._records.get(node)
        return found

    def records(self) -> list[IdentityRecord]:
        return [self._records[name] for name in sorted(self._records)]

    def conflicts(self) -> list[KeyConflict]:
        return [] if self._conflict is None else [self._conflict]

    async def wait_change(self) -> None:
        self._scan()
        while not self._changed:
            await trio.sleep(POLL_SECONDS)
            self._scan()
        self._changed = False
        await trio.lowlevel.checkpoint()

    def _scan(self) -> None:
        self._scanned_at = trio.current_time()
        try:
            found = {record.name: record for record in _live_entries(self._folder)}
        except (DirectoryUnusable, OSError) as error:
            self._complain(f"other nodes of this machine are not found by their names: {error}")
            return
        conflict = self._conflict_with(found)
        if (found, conflict) != (self._records, self._conflict):
            self._records, self._conflict = found, conflict
            self._changed = True

    def _conflict_with(self, found: dict[str, IdentityRecord]) -> KeyConflict | None:
        """Takes our own name out of what was found: that is us, or somebody who was there first."""
        own = self._own
        if own is None:
            return None
        there = found.pop(own.name, None)
        if there is None or self._published is not None:
            return None
        return KeyConflict(own.name, there.public_key, own.public_key, str(self._folder))

    def _complain(self, text: str) -> None:
        if text != self._reported:
            self._reported = text
            self._report(text)


def _prepare(folder: Path) -> None:
    """Raises `DirectoryUnusable`, OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _check(folder)


def _check(folder: Path) -> None:
    about = folder.lstat()
    if not stat.S_ISDIR(about.st_mode):
        raise DirectoryUnusable(f"{folder} is no folder: remove it, or set {VARIABLE} to another place")
    if about.st_uid != os.getuid() or about.st_mode & 0o022:
        raise DirectoryUnusable(
            f"others than this user may write to {folder}: set {VARIABLE} to a folder of your own"
        )


async def _lock(path: Path) -> _Published | None:
    """The file of that name, ours alone; None while another node holds it. Raises OSError."""
    for _ in range(LOCK_TRIES):
        descriptor = os.open(path, _OPEN | os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_still_there(path, descriptor):
                return _Published(path, descriptor)
        except BlockingIOError:
            pass
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        await trio.sleep(LOCK_PAUSE)
    return None


def _is_still_there(path: Path, descriptor: int) -> bool:
    """Its former owner may have removed it between our opening and our locking it."""
    try:
        about = path.lstat()
    except FileNotFoundError:
        return False
    return os.path.samestat(about, os.fstat(descriptor))


def _write(descriptor: int, data: bytes) -> None:
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, data, 0)


def _live_entries(folder: Path) -> list[IdentityRecord]:
    """Those whose node holds its lock. Raises `DirectoryUnusable`, OSError."""
    try:
        _check(folder)
    except FileNotFoundError:
        return []
    paths = sorted(path for path in folder.iterdir() if path.name.endswith(SUFFIX))[:MOST_ENTRIES]
    entries = (_live_entry(path) for path in paths)
    return [record for record in entries if record is not None]


def _live_entry(path: Path) -> IdentityRecord | None:
    """None for one that is left over, unreadable, unsigned or called otherwise than its file."""
    try:
        descriptor = os.open(path, _OPEN | os.O_RDONLY)
    except OSError:
        return None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode) or not _is_locked(descriptor):
            return None
        raw = os.pread(descriptor, LARGEST_ENTRY, 0)
    except OSError:
        return None
    finally:
        os.close(descriptor)
    try:
        record = _ENTRY.decode(raw)
        verify_record(record)
    except (Malformed, BadIdentity):
        return None
    return record if path.name == f"{record.name}{SUFFIX}" else None


def _is_locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False
