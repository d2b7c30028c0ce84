"""All that a node knows of other nodes, from several registries."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import trio

from sys_processes.devices import KeyConflict, Registry
from sys_processes.net.protocol import IdentityRecord


class KnownNodes:
    """`sys_processes.devices.Registry` of several: of two that know a name, the earlier one counts.

    If the later one knows the node by the same key, it completes what the earlier one says.
    """

    def __init__(self, registries: Sequence[Registry]) -> None:
        self._registries = tuple(registries)

    def find(self, node: str) -> IdentityRecord | None:
        counts: IdentityRecord | None = None
        for registry in self._registries:
            found = registry.find(node)
            if found is not None:
                counts = found if counts is None else _completed(counts, found)
        return counts

    def records(self) -> list[IdentityRecord]:
        counts: dict[str, IdentityRecord] = {}
        for registry in self._registries:
            for found in registry.records():
                earlier = counts.get(found.name)
                counts[found.name] = found if earlier is None else _completed(earlier, found)
        return [counts[name] for name in sorted(counts)]

    def conflicts(self) -> list[KeyConflict]:
        """Theirs, and those between them."""
        conflicts = [conflict for registry in self._registries for conflict in registry.conflicts()]
        counts: dict[str, IdentityRecord] = {}
        for registry in self._registries:
            for record in registry.records():
                kept = counts.setdefault(record.name, record).public_key
                if kept != record.public_key:
                    where = "another source of names"
                    conflicts.append(KeyConflict(record.name, kept, record.public_key, where))
        return sorted(conflicts, key=lambda conflict: conflict.name)

    async def wait_change(self) -> None:
        async with trio.open_nursery() as nursery:

            async def wait(registry: Registry) -> None:
                await registry.wait_change()
                nursery.cancel_scope.cancel()

            for registry in self._registries:
                nursery.start_soon(wait, registry)


def _completed(counts: IdentityRecord, later: IdentityRecord) -> IdentityRecord:
    """With the address that `counts` lacks, and as new as the newer of the two.

    A peers file may name routers for nodes elsewhere, while the node itself runs on this machine. That it was booted
    anew shows in its own serial only.
    """
    if later.public_key != counts.public_key:
        return counts
    completed = attrs.evolve(
        counts, address=counts.address or later.address, serial=max(counts.serial, later.serial)
    )
    return counts if completed == counts else attrs.evolve(completed, signature=b"")
