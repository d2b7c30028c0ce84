"""The node's own key, and those of the nodes that are registered."""

from __future__ import annotations

from kernel.ports import Keys
from sys_processes.devices import Registry
from sys_processes.net.identity import is_signed


class RegisteredKeys:
    """`kernel.ports.Keys`: signs with `own`, which is the key of `node`; checks others by the registry."""

    def __init__(self, node: str, own: Keys, registry: Registry) -> None:
        self._node = node
        self._own = own
        self._registry = registry

    @property
    def public_key(self) -> bytes:
        return self._own.public_key

    def sign(self, data: bytes) -> bytes:
        return self._own.sign(data)

    def verify(self, node: str, data: bytes, signature: bytes) -> bool:
        if node == self._node:
            return self._own.verify(node, data, signature)
        record = self._registry.find(node)
        return record is not None and is_signed(record.public_key, data, signature)
