"""Which rights the owner approved for each package: what a later version may ask for without asking again."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from kernel.address import IdentifierParseError, PackageId
from kernel.codec import Malformed, Shape
from kernel.ports import Delete, Put, Store
from sys_processes.app_store.protocol import AskedRight

TABLE = "approved"


@attrs.frozen
class _Approved:
    rights: tuple[AskedRight, ...]


_APPROVED: Shape[_Approved] = Shape(_Approved)


class Approvals:
    """In a node's Store. Rights that were approved once stay so until the package is removed."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def of(self, package: PackageId) -> tuple[AskedRight, ...]:
        """Raises `StoreFailed`. What cannot be read was not approved."""
        text = await self._store.read(TABLE, str(package))
        try:
            return () if text is None else _APPROVED.decode(text).rights
        except (Malformed, IdentifierParseError):
            return ()

    async def add(self, package: PackageId, rights: Iterable[AskedRight]) -> None:
        """As durable as what is written next. Raises `StoreFailed`."""
        known = await self.of(package)
        added = tuple(dict.fromkeys([*known, *rights]))
        if added != known:
            self._store.apply([Put(TABLE, str(package), _APPROVED.encode(_Approved(added)))])

    def forget(self, package: PackageId) -> None:
        self._store.apply([Delete(TABLE, str(package))])
