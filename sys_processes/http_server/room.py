"""Room for the bodies of all connections: many clients, each within its limit, must not fill the memory."""

from __future__ import annotations

BODIES_BYTES = 512 * 1024 * 1024


class Room:
    """Bytes that may be held at once."""

    def __init__(self, size: int = BODIES_BYTES) -> None:
        self._left = size

    def take(self, size: int) -> bool:
        """False when there is not so much, and then none is taken."""
        if size > self._left:
            return False
        self._left -= size
        return True

    def give_back(self, size: int) -> None:
        self._left += size
