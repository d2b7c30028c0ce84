"""State with a version, which a later version of a package goes on to understand (PROTOCOL 5.1).

    votes = await state.load(json.loads, version=2, migrate=migrate)
    await state.save(json.dumps(votes).encode(), version=2)

`migrate(version, data)` makes what an older version saved into what this one saves; what was saved without a version is
of version 0. What cannot be read is set aside as a file, which is said on the terminal, and never thrown away.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TypeVar

from kernel.errors import StateError
from kernel.syscalls import current
from userland.process_lib import vfs
from userland.process_lib._process import clear_state, get_state, print_to_terminal, set_state

__all__ = ["NewerState", "load", "save"]

DRIVE = "set_aside"
_MARK = b"nectar state "

T = TypeVar("T")
Migrate = Callable[[int, bytes], bytes]


class NewerState(StateError):
    """The state was saved by a later version of the package, which this one does not understand: nothing is changed."""


async def save(data: bytes, *, version: int) -> None:
    """Replace the state; returns when it is durable. Raises as `set_state`; ValueError for a version below 1."""
    _check(version)
    await set_state(_MARK + b"%d\n" % version + data)


async def load(read: Callable[[bytes], T], *, version: int, migrate: Migrate | None = None) -> T | None:
    """What `read` makes of the state; None when there is none.

    What an older version saved is given to `migrate` first. When that or `read` raises, the bytes go to a file of
    `/package:publisher/set_aside`, durably, before the state is cleared: None is returned then, too. Raises
    `NewerState`; `StateError`, `SendError` and `VfsError` when the disk does not do that: the state is as it was.
    """
    _check(version)
    saved = await get_state()
    if saved is None:
        return None
    found, data = _split(saved)
    if found > version:
        raise NewerState(
            "load", f"the state is of version {found}, and this package reads up to {version}: update it"
        )
    try:
        return read(data if found == version else (migrate or _no_migrate)(found, data))
    except Exception as error:  # noqa: BLE001 - whatever the package's own code makes of bytes that it cannot read
        path = await _set_aside(saved)
        print_to_terminal(0, f"the state of version {found} cannot be read, and is kept as {path}: {error!r}")
        return None


def _no_migrate(version: int, _data: bytes) -> bytes:
    raise ValueError(f"it is of version {version}, and no migrate was given")


def _check(version: int) -> None:
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise ValueError(f"a version is a whole number from 1 on, got {version!r}")


def _split(saved: bytes) -> tuple[int, bytes]:
    """The version, and what was saved; 0 for what has none."""
    head, newline, data = saved.partition(b"\n")
    number = head.removeprefix(_MARK)
    if newline and number != head and number.isdigit() and len(number) < 10:
        return int(number), data
    return 0, saved


async def _set_aside(saved: bytes) -> str:
    """The file. The same bytes have the same name, so that whoever is cut off in between does it once more."""
    our = current().our
    drive = await vfs.create_drive(our.package_id, DRIVE)
    path = f"{drive}/{our.process.process}-{hashlib.sha256(saved).hexdigest()[:16]}"
    async with vfs.open_file(path, create=True) as file:
        await file.write(saved)
        await file.sync_all()
    await clear_state()
    return path
