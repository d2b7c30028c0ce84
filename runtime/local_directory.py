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
    """`NECTAR_LOCAL_DIRECTORY`, else a folder of this user's that does not outlive the machine's run.

    Root often has the `XDG_RUNTIME_DIR` of who became root: a folder made there would be in that user's way.
    """
    chosen = environ.get(VARIABLE)
    if chosen:
        return Path(chosen)
    runtime = environ.get("XDG_RUNTIME_DIR")
    if runtime and _is_of_this_user(Path(runtime)):
        return Path(runtime) / "nectar"
    return _temporary(environ) / f"nectar-{os.getuid()}"


def _is_of_this_user(folder: Path) -> bool:
    try:
        return folder.stat().st_uid == os.getuid()
    except OSError:
        return False


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
        self._wrong: dict[str, str] = {}
        """What does not happen, and why, as it was told."""
        self._published: _Published | None = None
        self._own: IdentityRecord | None = None
        self._records: dict[str, IdentityRecord] = {}
        self._proven: dict[bytes, IdentityRecord] = {}
        """The entries of the last look: to check a signature costs more than all else in it."""
        self._conflict: KeyConflict | None = None
        self._scanned_at = -RESCAN_SECONDS
        self._changed = False

    # -- our own entry

    async def publish(self, record: IdentityRecord) -> None:
        """From now on the others find this node, until `close`. If another one of that name runs, that one stays.

        What is in the way is told. While somebody waits for changes it is tried again every second, so that the
        entry is there when the way is free, or the other node has ended; and so is one that somebody removed.
        """
        self._own = record
        for _ in range(LOCK_TRIES):
            if self._show() is not None:
                break
            await trio.sleep(LOCK_PAUSE)
        with suppress(DirectoryUnusable, OSError):
            _sweep(self._folder)
        self._scan()

    def _show(self) -> bool | None:
        """Whether our entry is there; None when somebody else holds it."""
        own = self._own
        if own is None:
            return False
        missing = f"other nodes of this machine do not find {own.name} by its name"
        try:
            _prepare(self._folder)
            self._published = _publish(self._folder / f"{own.name}{SUFFIX}", _ENTRY.encode(own))
        except (DirectoryUnusable, OSError) as error:
            self._complain(missing, error)
            return False
        if self._published is None:
            return None
        if self._wrong.pop(missing, None) is not None or self._conflict is not None:
            self._report(f"other nodes of this machine find {own.name} by its name now")
        return True

    def _keep_shown(self) -> None:
        published = self._published
        if published is not None:
            if _is_still_there(published.path, published.descriptor):
                return
            # Some machines tidy up what is old in their temporary folders.
            os.close(published.descriptor)
        self._published = None
        self._show()

    def close(self) -> None:
        """Take our entry away."""
        self._own = None
        published, self._published = self._published, None
        if published is not None:
            with suppress(OSError):
                if _is_still_there(published.path, published.descriptor):
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
        self._look()
        while not self._changed:
            await trio.sleep(POLL_SECONDS)
            self._look()
        self._changed = False
        await trio.lowlevel.checkpoint()

    def _look(self) -> None:
        self._keep_shown()
        self._scan()

    def _scan(self) -> None:
        self._scanned_at = trio.current_time()
        missing = "other nodes of this machine are not found by their names"
        try:
            self._proven = _live_entries(self._folder, self._proven)
        except (DirectoryUnusable, OSError) as error:
            self._complain(missing, error)
            return
        self._wrong.pop(missing, None)
        found = {record.name: record for record in self._proven.values()}
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

    def _complain(self, what: str, error: DirectoryUnusable | OSError) -> None:
        why = str(error)
        if isinstance(error, OSError):
            where = error.filename or self._folder
            why = f"{where}: {error.strerror or error}: mend that, or set {VARIABLE} to another place"
        if self._wrong.get(what) != why:
            self._wrong[what] = why
            self._report(f"{what}: {why}")


def _prepare(folder: Path) -> None:
    """Raises `DirectoryUnusable`, OSError."""
    with suppress(FileExistsError):  # what stands there instead is told by the check
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


def _publish(path: Path, entry: bytes) -> _Published | None:
    """The file of that name, ours alone, with the entry in it; None while somebody else holds it. Raises OSError."""
    descriptor = os.open(path, _OPEN | os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _is_still_there(path, descriptor):
            _write(descriptor, entry)
            return _Published(path, descriptor)
    except BlockingIOError:
        pass
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def _is_still_there(path: Path, descriptor: int) -> bool:
    """Its former owner may have removed it between our opening and our locking it."""
    try:
        about = path.lstat()
    except OSError:
        return False
    return os.path.samestat(about, os.fstat(descriptor))


def _write(descriptor: int, data: bytes) -> None:
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, data, 0)


def _sweep(folder: Path) -> None:
    """Remove the entries of nodes that ended without a word: killed, or with the machine.

    Only one process does so at a time, for between its look at an entry and its removal nobody may put a new one there.
    Files that are no entries are left alone. Raises `DirectoryUnusable`, OSError.
    """
    _check(folder)
    guard = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for path in _files(folder):
            _remove_left_over(path)
    except BlockingIOError:
        pass
    finally:
        os.close(guard)


def _remove_left_over(path: Path) -> None:
    with suppress(OSError):
        descriptor = os.open(path, _OPEN | os.O_RDONLY)
        try:
            # While we hold a lock for readers, no node can take the entry for itself.
            if not _is_regular(descriptor) or _is_locked(descriptor) or not _is_still_there(path, descriptor):
                return
            raw = os.pread(descriptor, LARGEST_ENTRY, 0)
            if not raw or _entry(path, raw) is not None:
                path.unlink()
        finally:
            os.close(descriptor)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.name.endswith(SUFFIX))


def _live_entries(folder: Path, proven: Mapping[bytes, IdentityRecord]) -> dict[bytes, IdentityRecord]:
    """Those whose node holds its lock, by their bytes, `MOST_ENTRIES` at most; `proven` are those of an earlier look.

    Raises `DirectoryUnusable`, OSError.
    """
    try:
        _check(folder)
    except FileNotFoundError:
        return {}
    files = _files(folder)
    if len(files) > MOST_ENTRIES:
        _sweep(folder)
        files = _files(folder)
    found: dict[bytes, IdentityRecord] = {}
    for path in files:
        raw = _live_bytes(path)
        record = None if raw is None else _signed_entry(path, raw, proven.get(raw))
        if raw is not None and record is not None:
            found[raw] = record
        if len(found) == MOST_ENTRIES:
            break
    return found


def _live_bytes(path: Path) -> bytes | None:
    """None for one that is left over, or cannot be read."""
    try:
        descriptor = os.open(path, _OPEN | os.O_RDONLY)
    except OSError:
        return None
    try:
        if not _is_regular(descriptor) or not _is_locked(descriptor):
            return None
        return os.pread(descriptor, LARGEST_ENTRY, 0)
    except OSError:
        return None
    finally:
        os.close(descriptor)


def _signed_entry(path: Path, raw: bytes, proven: IdentityRecord | None) -> IdentityRecord | None:
    """None for one that is unreadable, unsigned or called otherwise than its file. `proven` is what these bytes are."""
    if proven is not None:
        return proven if path.name == f"{proven.name}{SUFFIX}" else None
    record = _entry(path, raw)
    try:
        if record is not None:
            verify_record(record)
    except BadIdentity:
        return None
    return record


def _entry(path: Path, raw: bytes) -> IdentityRecord | None:
    """What a node of that file's name wrote; not whether it is signed."""
    try:
        record = _ENTRY.decode(raw)
    except Malformed:
        return None
    return record if path.name == f"{record.name}{SUFFIX}" else None


def _is_regular(descriptor: int) -> bool:
    return stat.S_ISREG(os.fstat(descriptor).st_mode)


def _is_locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False
