"""Who may keep how many files open (PROTOCOL 7.9)."""

from __future__ import annotations

import attrs

from kernel.address import ProcessId
from kernel.aliases import seed_era
from sys_processes.fd_manager.protocol import (
    HIT_SECONDS,
    FdManagerUpdate,
    ShareStanding,
    UpdateCullFractionDenominator,
    UpdateMaxFdsAsFractionOfUlimitPercentage,
    UpdateUpdateUlimitSecs,
)

RESERVED = 30
"""Files that are nobody's share: standard ones, the store, the door."""
MOST_SHARED = 180
_LARGEST = 2**32
"""Of a setting."""


@attrs.define
class _Share:
    limit: int = 0
    hits: int = 0
    hit_at: float = -HIT_SECONDS


class BadUpdate(ValueError):
    """A setting out of its range."""


class Shares:
    """Half of the budget goes to all alike, half to each by how often it hit its limit. Everybody has one at least.

    While fewer than `RESERVED` files are left to the node, each share is smaller by one part of `denominator`.
    """

    def __init__(self) -> None:
        self.update_seconds = 3600
        self._percentage = 90
        self._denominator = 2
        self._shares: dict[ProcessId, _Share] = {}

    def add(self, process: ProcessId) -> bool:
        """False when it has a share already."""
        if process in self._shares:
            return False
        self._shares[process] = _Share()
        return True

    def hit(self, process: ProcessId, now: float) -> bool:
        """At that time of a clock, in seconds, that does not go back. False when it does not count."""
        self.add(process)
        share = self._shares[process]
        if now < share.hit_at + HIT_SECONDS:
            return False
        share.hits += 1
        share.hit_at = now
        return True

    def forget(self, process: ProcessId) -> bool:
        """Whether it had a share."""
        return self._shares.pop(process, None) is not None

    def update(self, update: FdManagerUpdate) -> None:
        """Raises `BadUpdate`."""
        match update:
            case UpdateMaxFdsAsFractionOfUlimitPercentage(value):
                if not 1 <= value <= 100:
                    raise BadUpdate(f"expected 1 to 100 percent, found {value}")
                self._percentage = value
            case UpdateUpdateUlimitSecs(value):
                self.update_seconds = _positive(value, "seconds")
            case UpdateCullFractionDenominator(value):
                self._denominator = _positive(value, "parts")

    def spread(self, allowed: int, used: int) -> dict[ProcessId, int]:
        """The shares that have changed, of so many files `allowed`, of which so many are `used`."""
        budget = max(0, min(MOST_SHARED, allowed * self._percentage // 100 - RESERVED))
        hits = sum(share.hits for share in self._shares.values())
        changed: dict[ProcessId, int] = {}
        for process, share in self._shares.items():
            limit = self._part(budget, share.hits, hits)
            if allowed - used < RESERVED:
                limit -= limit // self._denominator
            limit = max(1, limit)
            if limit != share.limit:
                share.limit = changed[process] = limit
        return changed

    def _part(self, budget: int, hits: int, all_hits: int) -> int:
        count = len(self._shares)
        if not all_hits:
            return budget // count
        return budget * (all_hits + count * hits) // (2 * count * all_hits)

    def limit_of(self, process: ProcessId) -> int | None:
        """Also by the name that a later era has for it (PROTOCOL 0.3)."""
        share = self._shares.get(process) or self._shares.get(seed_era(process) or process)
        return None if share is None else share.limit

    def standings(self) -> dict[ProcessId, ShareStanding]:
        """In the order of their names."""
        shares = sorted(self._shares.items(), key=lambda item: str(item[0]))
        return {process: ShareStanding(share.limit, share.hits) for process, share in shares}


def _positive(value: int, of: str) -> int:
    if not 1 <= value <= _LARGEST:
        raise BadUpdate(f"expected 1 to {_LARGEST} {of}, found {value}")
    return value
