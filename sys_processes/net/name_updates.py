"""Names that an indexer of this node tells, which watches a register of names somewhere (PROTOCOL 7.7, 9.1)."""

from __future__ import annotations

from math import inf

import attrs
import trio
from trio.lowlevel import ParkingLot, checkpoint

from sys_processes.devices import KeyConflict
from sys_processes.net.identity import BadIdentity, check_record
from sys_processes.net.protocol import IdentityRecord, NameUpdate, QnsName

MOST_NAMES = 65_536
GATHER_SECONDS = 0.1
"""Between two changes: what is told meanwhile is one, for who hears of one looks at all names."""
_NOWHERE = ("", "0.0.0.0", "::")  # noqa: S104 - not listened on: what an update without an address has there


class NameRefused(ValueError):
    """An update that changes nothing; the text says why."""


def update_record(update: NameUpdate | QnsName) -> IdentityRecord:
    """Who that is. Raises `NameRefused` for what no node can be."""
    if isinstance(update, QnsName):
        ips: tuple[str, ...] = (update.ip,)
        port: int | None = update.port
    else:
        ips, port = update.ips, update.ports.get("ws")
    ip = next((ip for ip in ips if ip not in _NOWHERE), None)
    shown = f"[{ip}]" if ip is not None and ":" in ip else ip
    record = IdentityRecord(
        update.name, _key(update.public_key), f"{shown}:{port}" if ip and port else None, update.routers
    )
    try:
        check_record(record)
    except BadIdentity as error:
        raise NameRefused(str(error)) from None
    return record


def _key(text: str) -> bytes:
    try:
        return bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        raise NameRefused(f"public_key is {text!r:.80}, expected 0x and 64 hex digits") from None


class ToldNames:
    """`sys_processes.devices.Registry` of what was told since the node was booted. A name keeps its key.

    Nothing is kept over a restart: an indexer tells all it knows when it begins.
    """

    def __init__(self) -> None:
        self._records: dict[str, IdentityRecord] = {}
        self._conflicts: dict[str, KeyConflict] = {}
        self._changed = False
        self._heard_at = -inf
        self._waiting = ParkingLot()

    def tell(self, record: IdentityRecord, known: IdentityRecord | None, where: str) -> None:
        """Know that node, or where it is now. `known` is what all registries together know of it already, and `where`
        says who tells. Raises `NameRefused`; another key than the known one is a conflict as well.
        """
        name = record.name
        if known is not None and known.public_key != record.public_key:
            self._conflicts[name] = KeyConflict(name, known.public_key, record.public_key, where)
            self._note_change()
            raise NameRefused(f"its key is {known.key_hex} and stays so, not {record.key_hex}")
        if name not in self._records and len(self._records) >= MOST_NAMES:
            raise NameRefused(f"{MOST_NAMES} names were told, and no more are kept")
        if self._conflicts.pop(name, None) is not None:
            self._note_change()
        before = self._records.get(name)
        if before is None or attrs.evolve(before, serial=0) != record:
            serial = 0 if before is None else before.serial + 1
            self._records[name] = attrs.evolve(record, serial=serial)
            self._note_change()

    def find(self, node: str) -> IdentityRecord | None:
        return self._records.get(node)

    def records(self) -> list[IdentityRecord]:
        return [self._records[name] for name in sorted(self._records)]

    def conflicts(self) -> list[KeyConflict]:
        return [self._conflicts[name] for name in sorted(self._conflicts)]

    async def wait_change(self) -> None:
        await checkpoint()
        while not self._changed:
            await self._waiting.park()
        await trio.sleep_until(self._heard_at + GATHER_SECONDS)
        self._changed = False
        self._heard_at = trio.current_time()

    def _note_change(self) -> None:
        self._changed = True
        self._waiting.unpark_all()
