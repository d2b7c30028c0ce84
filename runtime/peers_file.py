"""A file of nodes that its owner vouches for (`--peers FILE`): TOML, one `[[peer]]` for each.

[[peer]]
name = "bob.uq"
key = "0x8c41..."               # the node's public key, as `nectar id` prints it
address = "192.0.2.7:8080"      # or, or also: routers = ["router.uq"]
"""

from __future__ import annotations

import os
import stat
import tomllib
from collections.abc import Callable
from pathlib import Path

import trio

from sys_processes.devices import KeyConflict
from sys_processes.net.identity import BadIdentity, check_record
from sys_processes.net.protocol import IdentityRecord

POLL_SECONDS = 1.0
LARGEST_FILE = 4 * 1024 * 1024
_FIELDS = ("name", "key", "address", "routers")
_FILE = "put what `nectar id` prints on other nodes into a file that can be read, and name that"
_BLOCK = "`nectar id` on that node prints the block to put here"


class PeersFileError(Exception):
    """A peers file that cannot be used: `file`, `entry` (its number and name, or None), `problem` and `fix` say why."""

    def __init__(self, file: Path, entry: str | None, problem: str, fix: str) -> None:
        where = f"{file}: " if entry is None else f"{file}: {entry}: "
        super().__init__(f"{where}{problem}; {fix}")
        self.file = file
        self.entry = entry
        self.problem = problem
        self.fix = fix


def peer_block(record: IdentityRecord) -> str:
    """The entry for that node. Every value in it is of harmless characters."""
    lines = ["[[peer]]", f'name = "{record.name}"', f'key = "{record.key_hex}"']
    if record.address is not None:
        lines.append(f'address = "{record.address}"')
    if record.routers:
        routers = ", ".join(f'"{router}"' for router in record.routers)
        lines.append(f"routers = [{routers}]")
    return "\n".join(lines) + "\n"


def parse_peers(file: Path, raw: bytes) -> dict[str, IdentityRecord]:
    """All entries by name. Raises `PeersFileError`; `file` is only named in it."""
    try:
        content = tomllib.loads(raw.decode())
    except (ValueError, RecursionError) as error:
        raise PeersFileError(file, None, f"no TOML: {error}", _BLOCK) from None
    for name in content:
        if name != "peer":
            raise PeersFileError(file, None, f"{name!r:.60} has no place here", "write [[peer]] entries only")
    entries = content.get("peer", [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise PeersFileError(file, None, "peer is no list of tables", "write [[peer]], in double brackets")
    found: dict[str, IdentityRecord] = {}
    for number, entry in enumerate(entries, 1):
        record = _Entry(file, number, entry).record()
        if record.name in found:
            where = f"peer {number} ({record.name!r})"
            raise PeersFileError(file, where, "the name is given twice", "keep one of the entries")
        found[record.name] = record
    return found


class _Entry:
    """One `[[peer]]`. Every method raises `PeersFileError`."""

    def __init__(self, file: Path, number: int, fields: dict[str, object]) -> None:
        self._file = file
        self._fields = fields
        name = fields.get("name")
        self._where = f"peer {number} ({name!r:.80})" if isinstance(name, str) else f"peer {number}"

    def record(self) -> IdentityRecord:
        for name in self._fields:
            if name not in _FIELDS:
                raise self._error(
                    f"{name!r:.60} is no field of a peer", f"the fields are {', '.join(_FIELDS)}"
                )
        address = self._fields.get("address")
        if address is not None and not isinstance(address, str):
            raise self._error(f"address is {address!r:.60}", 'write it as text, "host:port"')
        record = IdentityRecord(self._text("name"), self._key(), address, self._routers())
        try:
            check_record(record)
        except BadIdentity as error:
            raise self._error(str(error), _BLOCK) from None
        return record

    def _error(self, problem: str, fix: str) -> PeersFileError:
        return PeersFileError(self._file, self._where, problem, fix)

    def _text(self, name: str) -> str:
        value = self._fields.get(name)
        if isinstance(value, str):
            return value
        found = "missing" if value is None else f"{value!r:.60}"
        raise self._error(f"{name} is {found}", f"write {name} as text")

    def _key(self) -> bytes:
        text = self._text("key")
        digits = text.removeprefix("0x")
        try:
            return bytes.fromhex(digits) if len(digits) + 2 == len(text) else _no_hex()
        except ValueError:
            raise self._error(f"key is {text!r:.80}, expected 0x and 64 hex digits", _BLOCK) from None

    def _routers(self) -> tuple[str, ...]:
        value = self._fields.get("routers", [])
        if isinstance(value, list) and all(isinstance(router, str) for router in value):
            return tuple(value)
        raise self._error(f"routers is {value!r:.60}", 'write a list of names, ["router.uq"]')


def _no_hex() -> bytes:
    raise ValueError


class PeersFile:
    """`sys_processes.devices.Registry`. The file is looked at every second while somebody waits for changes.

    Many programs write a file in place, so that for a moment it is empty or ends early: a version counts once it was
    the same in two looks, a second apart. While the node runs, a name keeps the key it came with: another key in a
    later version of the file is refused, until a version without the name counted. A version that is broken changes
    nothing; `report` is told why.
    """

    def __init__(self, path: Path, report: Callable[[str], None]) -> None:
        """Raises `PeersFileError`."""
        self._path = path
        self._report = report
        self._conflicts: dict[str, KeyConflict] = {}
        raw = _read(path)
        self._records = parse_peers(path, raw)
        self._counts: bytes | str = raw
        """The version that was looked into last: its bytes, or why it cannot be read."""
        self._new: bytes | str = raw
        self._new_since = 0.0

    def find(self, node: str) -> IdentityRecord | None:
        return self._records.get(node)

    def records(self) -> list[IdentityRecord]:
        return [self._records[name] for name in sorted(self._records)]

    def conflicts(self) -> list[KeyConflict]:
        return [self._conflicts[name] for name in sorted(self._conflicts)]

    async def wait_change(self) -> None:
        changed = self._reread()
        while not changed:
            await trio.sleep(POLL_SECONDS)
            changed = self._reread()
        await trio.lowlevel.checkpoint()

    def _reread(self) -> bool:
        """Whether anything is different now."""
        there = self._look()
        if there != self._new:
            self._new, self._new_since = there, trio.current_time()
        if there == self._counts or trio.current_time() - self._new_since < POLL_SECONDS:
            return False
        self._counts = there
        if isinstance(there, str):
            return self._stay(there)
        try:
            return self._take(parse_peers(self._path, there))
        except PeersFileError as error:
            return self._stay(str(error))

    def _stay(self, why: str) -> bool:
        self._report(f"the peers stay as they were: {why}")
        return False

    def _look(self) -> bytes | str:
        try:
            return _read(self._path)
        except PeersFileError as error:
            return str(error)

    def _take(self, found: dict[str, IdentityRecord]) -> bool:
        before = (self._records, self._conflicts)
        self._conflicts = {}
        for name, record in found.items():
            known = self._records.get(name)
            if known is not None and known.public_key != record.public_key:
                self._conflicts[name] = KeyConflict(
                    name, known.public_key, record.public_key, str(self._path)
                )
                found[name] = known
        self._records = found
        return before != (self._records, self._conflicts)


def _read(path: Path) -> bytes:
    """Raises `PeersFileError`, also for a pipe: it can be read only once, and a part of it may not be there yet."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise PeersFileError(path, None, "it is no file", _FILE)
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                raw = file.read(LARGEST_FILE + 1)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise PeersFileError(path, None, f"it cannot be read: {error.strerror or error}", _FILE) from error
    if len(raw) > LARGEST_FILE:
        raise PeersFileError(path, None, f"it has more than {LARGEST_FILE} bytes", "is it the right file?")
    return raw
