"""Nodes without an address, and the routers through which they are reached (PROTOCOL 9.4, DESIGN section 6). No IO."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs
import msgpack

from sys_processes.net.protocol import IdentityRecord

_ROUTE = "nectar-route-1"


@attrs.frozen
class RouteStatement:
    """What a node signs that wants a way through a router. The router's nonce makes it good for this one time."""

    source: str
    target: str
    router: str
    nonce: bytes

    def signed_bytes(self) -> bytes:
        packed: bytes = msgpack.packb([_ROUTE, self.source, self.target, self.router, self.nonce])
        return packed


class Routing:
    """Who goes through whom. `routers` are this node's own, in the order in which they are kept; it lets `passages`
    others through itself.
    """

    def __init__(
        self,
        node: str,
        find: Callable[[str], IdentityRecord | None],
        routers: Sequence[str] = (),
        passages: int = 0,
    ) -> None:
        self.node = node
        self.routers = tuple(routers)
        self.passages = passages
        self._find = find

    def serves(self, record: IdentityRecord) -> bool:
        """Whether that node may be reached through this one."""
        return self.passages > 0 and self.node in record.routers

    def keeps(self, record: IdentityRecord) -> bool:
        """Whether a link with that node is to stay when it is idle: on either end, it is the way to a node."""
        return record.name in self.routers or self.serves(record)

    def ways(self, record: IdentityRecord) -> tuple[IdentityRecord, ...]:
        """The routers of that node that can be dialled, in its order."""
        found = [self._find(name) for name in record.routers if name != self.node]
        return tuple(router for router in found if router is not None and router.address is not None)

    def obstacle(self, record: IdentityRecord) -> str:
        """Why a node without an address has no way to it."""
        reasons = [self._obstacle(name) for name in record.routers]
        return f"it has no address, and {'; '.join(reasons)}"

    def _obstacle(self, name: str) -> str:
        if name == self.node:
            return f"{name} relays for nobody: start it with --allow-routing"
        if self._find(name) is None:
            return f"its router {name} is not known here"
        return f"its router {name} has no address itself"
