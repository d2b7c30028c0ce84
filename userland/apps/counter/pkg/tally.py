"""What was counted where: a total for each replica, which only it raises. Knows no process.

Two tallies are merged by taking the larger total of each replica. So it does no harm to hear the same news twice, late,
or from somebody else, and all replicas that heard all news show the same sum.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

VERSION = 1
MOST_REPLICAS = 1000
MOST_TOTAL = 2**53 - 1
"""The largest that JavaScript can hold; so for the sum."""

Totals = dict[str, int]


class Unreadable(ValueError):
    """The text is not what `Tally.to_bytes` gives."""


class Full(ValueError):
    """That would be more than a tally holds."""


@dataclass(frozen=True)
class Tally:
    """`replica` is our own name in it. `others` are the nodes with which it is shared."""

    replica: str
    totals: Totals = field(default_factory=dict)
    others: tuple[str, ...] = ()

    @property
    def value(self) -> int:
        return sum(self.totals.values())

    def added(self, amount: int) -> "Tally":
        """Raises `Full`."""
        return self._with({self.replica: self.totals.get(self.replica, 0) + amount})

    def merged(self, news: Totals) -> "Tally":
        """Raises `Full`."""
        return self._with({name: total for name, total in news.items() if total > self.totals.get(name, 0)})

    def shared(self, others: Iterable[str]) -> "Tally":
        return replace(self, others=tuple(others))

    def _with(self, totals: Totals) -> "Tally":
        made = replace(self, totals=self.totals | totals)
        if len(made.totals) > MOST_REPLICAS or made.value > MOST_TOTAL:
            raise Full(f"a counter goes to {MOST_TOTAL} and has {MOST_REPLICAS} replicas at most")
        return made

    def since(self, known: Totals) -> Totals:
        """What somebody does not know who knows that."""
        return {name: total for name, total in self.totals.items() if total > known.get(name, 0)}

    def to_bytes(self) -> bytes:
        kept = {"version": VERSION, "replica": self.replica, "totals": self.totals, "others": self.others}
        return json.dumps(kept, separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, state: bytes) -> "Tally":
        """Raises `Unreadable`."""
        try:
            value = json.loads(state)
        except (ValueError, RecursionError) as error:
            raise Unreadable(f"it is no JSON: {error}") from None
        match value:
            case {"version": 1, "replica": str(replica), "totals": totals, "others": [*others]}:
                found = read_totals(totals)
                if found is not None and all(isinstance(other, str) for other in others):
                    return cls(replica, found, tuple(others))
        raise Unreadable(f"it is no tally of version {VERSION}")


def read_totals(value: object) -> Totals | None:
    """None for what is none."""
    if not isinstance(value, dict) or not all(map(_is_total, value.values())):
        return None
    return value


def _is_total(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= MOST_TOTAL
