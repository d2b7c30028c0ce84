"""What is known of each transfer, from its start to some time after its end."""

from collections.abc import Iterator
from typing import Any

KEPT = 50


class Transfer:
    """`state` is running, done or failed; `name` what the file is called over there, `kept_as` here."""

    def __init__(self, number: int, node: str, name: str) -> None:
        self.number = number
        self.node = node
        self.name = name
        self.state = "running"
        self.received = 0
        self.size: int | None = None
        self.kept_as: str | None = None
        self.error: str | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.number,
            "node": self.node,
            "name": self.name,
            "state": self.state,
            "received": self.received,
            "size": self.size,
            "kept_as": self.kept_as,
            "error": self.error,
        }


class Transfers:
    """The last `KEPT`, and all that run."""

    def __init__(self) -> None:
        self._all: dict[int, Transfer] = {}
        self._next = 1

    def begin(self, node: str, name: str) -> Transfer:
        made = Transfer(self._next, node, name)
        self._next += 1
        self._all[made.number] = made
        over = [one.number for one in self._all.values() if one.state != "running"]
        for number in over[: max(0, len(self._all) - KEPT)]:
            del self._all[number]
        return made

    def get(self, number: int) -> Transfer | None:
        return self._all.get(number)

    def running(self) -> int:
        return sum(one.state == "running" for one in self._all.values())

    def __iter__(self) -> Iterator[Transfer]:
        return iter(self._all.values())

    def to_json(self) -> list[dict[str, Any]]:
        return [one.to_json() for one in reversed(self._all.values())]
