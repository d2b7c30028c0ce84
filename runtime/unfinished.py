"""Which packages are being started anew or removed: what a crash cuts off, the next boot finishes."""

from __future__ import annotations

import attrs

from kernel.address import IdentifierParseError, PackageId
from kernel.codec import Malformed, Shape, struct, unit
from kernel.ports import Delete, Put, Store

TABLE = "unfinished"


@struct
@attrs.frozen
class Starting:
    """The files are in the drive; some processes of the old version may have ended, some of the new one not begun."""

    approved: bool


@unit
@attrs.frozen
class Removing:
    pass


Work = Starting | Removing
_WORK: Shape[Work] = Shape(Work)


class Unfinished:
    """In a node's Store. `begun` is what began in this life of the node and did not end."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.begun: dict[PackageId, Work] = {}

    async def begin(self, package: PackageId, work: Work) -> None:
        """Durable when this returns. Raises `StoreFailed`."""
        self.begun[package] = work
        self._store.apply([Put(TABLE, str(package), _WORK.encode(work))])
        await self._store.flush()

    def end(self, package: PackageId) -> None:
        """As durable as what was written before."""
        self.begun.pop(package, None)
        self._store.apply([Delete(TABLE, str(package))])

    async def load(self) -> dict[PackageId, Work]:
        """Raises `StoreFailed`."""
        found: dict[PackageId, Work] = {}
        for key, value in await self._store.scan(TABLE):
            try:
                found[PackageId.from_str(key)] = _WORK.decode(value)
            except (IdentifierParseError, Malformed):
                continue
        return found
