"""All that a node knows of other nodes, from several registries."""

from __future__ import annotations

from collections.abc import Sequence

import trio

from sys_processes.devices import KeyConflict, Registry
from sys_processes.net.protocol import IdentityRecord


class KnownNodes:
    """`sys_processes.devices.Registry` of several: of two that know a name, the earlier one counts."""

    def __init__(self, registries: Sequence[Registry]) -> None:
        self._registries = tuple(registries)

    def find(self, node: str) -> IdentityRecord | None:
        for registry in self._registries:
            found = registry.find(node)
            if found is not None:
                return found
        return None

    def records(self) -> list[IdentityRecord]:
        found: dict[str, IdentityRecord] = {}
        for registry in self._registries:
            for record in registry.records():
                found.setdefault(record.name, record)
        return [found[name] for name in sorted(found)]

    def conflicts(self) -> list[KeyConflict]:
        """Theirs, and those between them."""
        conflicts = [conflict for registry in self._registries for conflict in registry.conflicts()]
        for registry in self._registries:
            for record in registry.records():
                counts = self.find(record.name)
                if counts is not None and counts.public_key != record.public_key:
                    where = "another source of names"
                    conflicts.append(KeyConflict(record.name, counts.public_key, record.public_key, where))
        return sorted(conflicts, key=lambda conflict: conflict.name)

    async def wait_change(self) -> None:
        async with trio.open_nursery() as nursery:

            async def wait(registry: Registry) -> None:
                await registry.wait_change()
                nursery.cancel_scope.cancel()

            for registry in self._registries:
                nursery.start_soon(wait, registry)
