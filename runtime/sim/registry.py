"""The nodes of a simulated world, as each of them knows the others."""

from __future__ import annotations

from functools import lru_cache

from trio.lowlevel import ParkingLot, checkpoint

from sys_processes.devices import KeyConflict
from sys_processes.net.identity import verify_record
from sys_processes.net.protocol import IdentityRecord


@lru_cache(maxsize=4096)
def _verify(record: IdentityRecord) -> None:
    """Once for each record, for all worlds: their nodes have the same keys. Raises `BadIdentity`."""
    verify_record(record)


class MemoryRegistry:
    """`sys_processes.devices.Registry` of one simulated node. A name is bound to the key it came with first."""

    def __init__(self) -> None:
        self._records: dict[str, IdentityRecord] = {}
        self._conflicts: dict[str, KeyConflict] = {}
        self._changed = False
        self._waiting = ParkingLot()

    def put(self, record: IdentityRecord) -> None:
        """Know that node, or its newer record. Raises `BadIdentity` for one that it did not sign."""
        _verify(record)
        known = self._records.get(record.name)
        if known is not None and known.public_key != record.public_key:
            conflict = KeyConflict(record.name, known.public_key, record.public_key, "the world")
            self._conflicts[record.name] = conflict
        elif known is None or record.serial >= known.serial:
            self._records[record.name] = record
            self._conflicts.pop(record.name, None)
        self._note_change()

    def remove(self, name: str) -> None:
        """Forget the node and its key."""
        self._records.pop(name, None)
        self._conflicts.pop(name, None)
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
        self._changed = False

    def _note_change(self) -> None:
        self._changed = True
        self._waiting.unpark_all()
