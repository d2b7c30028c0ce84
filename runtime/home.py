"""The folder a node lives in: who holds it, what stands where, which format it has.

A home is held by a lock on its file `lock`, which the system releases however the node ends. `FORMAT` holds a
number; a home of an older one is copied beside itself, then brought forward step by step. Other files in the
folder are nobody's business.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import attrs

from runtime.files import replace_file
from runtime.full_disk import is_full

FORMAT = 1
FORMAT_FILE = "FORMAT"
LOCK_FILE = "lock"
LOGS = "logs"

Steps = Mapping[int, Callable[[Path], None]]

# From the format that is the key to the next one. A step may be run again on a home where it was interrupted.
STEPS: Steps = {}


class HomeError(Exception):
    """The home cannot be used; the text names it, says why, and what to try."""


class HomeBusy(HomeError):
    """Another node lives there; `pid` is its process, if that is known."""

    def __init__(self, path: Path, pid: int | None) -> None:
        who = "another node" if pid is None else f"the node with process id {pid}"
        super().__init__(f"{path} is in use by {who}; stop that, or give another home")
        self.pid = pid


@attrs.frozen
class Home:
    """Where things stand in a home that we hold."""

    path: Path

    @property
    def lock(self) -> Path:
        return self.path / LOCK_FILE

    @property
    def keyfile(self) -> Path:
        return self.path / "keyfile.json"

    @property
    def config(self) -> Path:
        return self.path / "config.toml"

    @property
    def store(self) -> Path:
        return self.path / "store.sqlite"

    @property
    def drives(self) -> Path:
        """The root of the vfs."""
        return self.path / "vfs"

    @property
    def kv(self) -> Path:
        """Of all databases of kv."""
        return self.path / "kv"

    @property
    def sqlite(self) -> Path:
        """Of all databases of sqlite."""
        return self.path / "sqlite"

    @property
    def logs(self) -> Path:
        return self.path / LOGS


@contextmanager
def hold_home(path: Path, *, newest: int = FORMAT, steps: Steps = STEPS) -> Iterator[Home]:
    """Makes the folder if it is missing, with its `logs` and `vfs`; holds it until the end of the block.

    Raises `HomeBusy`, `HomeError`.
    """
    path = Path(os.path.abspath(path))  # noqa: PTH100 - resolving would show names that nobody gave
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = _lock(path)
    except OSError as error:
        raise _unusable(path, error) from error
    try:
        home = Home(path)
        try:
            _bring_forward(home, newest, steps)
            home.logs.mkdir(exist_ok=True)
            home.drives.mkdir(exist_ok=True)
        except OSError as error:
            raise _unusable(path, error) from error
        yield home
    finally:
        # Before the lock is released: whoever waits for it sees that the file it holds is no longer the one
        # in the folder.
        (path / LOCK_FILE).unlink(missing_ok=True)
        os.close(lock)


@contextmanager
def temporary_home() -> Iterator[Home]:
    """A home for once, removed at the end of the block. Raises `HomeError`."""
    try:
        path = Path(tempfile.mkdtemp(prefix="nectar-"))
    except OSError as error:
        raise _unusable(Path(tempfile.gettempdir()), error) from error
    try:
        with hold_home(path) as home:
            yield home
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _unusable(path: Path, error: OSError) -> HomeError:
    where = f" at {error.filename}" if error.filename and error.filename != str(path) else ""
    reason = error.strerror or str(error)
    then = "free some space on its disk" if is_full(error) else "give a folder that we may write in"
    return HomeError(f"{path} cannot be a home: {reason}{where}; {then}")


def _lock(home: Path) -> int:
    path = home / LOCK_FILE
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(descriptor, path):
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
                return descriptor
        except BlockingIOError:
            pid = _pid_in(descriptor)
            os.close(descriptor)
            raise HomeBusy(home, pid) from None
        except BaseException:
            os.close(descriptor)
            raise
        # Its holder took the file away between our opening and locking it.
        os.close(descriptor)


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    return os.path.samestat(os.fstat(descriptor), there)


def _pid_in(descriptor: int) -> int | None:
    text = os.pread(descriptor, 20, 0).strip()
    return int(text) if text.isdigit() else None


def _bring_forward(home: Home, newest: int, steps: Steps) -> None:
    found = _format_of(home)
    if found is None:
        _set_format(home.path, newest)
        return
    if found > newest:
        raise HomeError(
            f"{home.path} was written by a newer version: it has format {found}, this program knows up to {newest}; "
            "use the newer program, or give another home"
        )
    if found == newest:
        return
    copy = _copy_beside(home.path, found)
    for step in range(found, newest):
        try:
            steps[step](home.path)
        except Exception as error:
            raise HomeError(
                f"{home.path} could not be brought from format {step} to {step + 1}: {error!r}; "
                f"its copy as it was before is {copy}"
            ) from error
        _set_format(home.path, step + 1)


def _format_of(home: Home) -> int | None:
    """None for a folder in which no node has lived yet."""
    path = home.path / FORMAT_FILE
    try:
        text = path.read_bytes().strip()
    except FileNotFoundError:
        if home.keyfile.exists():
            raise HomeError(
                f"{home.path} has a keyfile but no file {FORMAT_FILE}, so nobody knows how to read it; "
                f"put back the file ({FORMAT} if this version wrote the home), or give another home"
            ) from None
        return None
    if not text.isdigit() or len(text) > 9:
        raise HomeError(
            f"{path} holds {text[:40]!r}, expected a number; put back {FORMAT}, or give another home"
        )
    return int(text)


def _set_format(path: Path, number: int) -> None:
    replace_file(path / FORMAT_FILE, f"{number}\n".encode(), mode=0o644)


def _copy_beside(path: Path, found: int) -> Path:
    """A whole copy, or none: its name appears when it is complete."""
    names = (f"{path.name}.format-{found}" + (f".{number}" if number else "") for number in count())
    target = next(free for name in names if not (free := path.with_name(name)).exists())
    partial = target.with_name(f"{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(path, partial, symlinks=True, ignore=shutil.ignore_patterns(LOCK_FILE))
    partial.rename(target)
    return target
