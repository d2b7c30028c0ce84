"""What kv and sqlite have in common: names, rights, transactions (PROTOCOL 7.4, 7.5)."""

from __future__ import annotations

from functools import lru_cache
from typing import Generic, TypeVar

import attrs

from kernel.address import PackageId, ProcessId, is_safe
from kernel.jsontext import dump
from sys_processes.devices import DatabaseName

StepT = TypeVar("StepT")

IDLE_SECONDS = 300.0
"""A transaction that nobody touched for so long is dropped."""
MOST_OPEN = 100
MOST_STEPS = 100_000
MOST_BYTES = 64 << 20

LONGEST_NAME = 200


class BadName(ValueError):
    """No name of a database."""


@lru_cache(maxsize=4096)
def database(package: PackageId, db: str) -> DatabaseName:
    """Raises `BadName`."""
    if not is_safe(db) or db in {".", ".."} or len(db) > LONGEST_NAME:
        raise BadName(
            f"{db[:LONGEST_NAME]!r} is no name of a database: expected at most {LONGEST_NAME} of A-Z a-z 0-9 _ . -"
        )
    return DatabaseName(package, db)


def owns(process: ProcessId, name: DatabaseName) -> bool:
    """Whether it may make and remove the database."""
    return process.package_id == name.package


@lru_cache(maxsize=4096)
def right(kind: str, name: DatabaseName) -> str:
    """The params of the capability to "read" or "write" there."""
    package = {"package_name": name.package.package, "publisher_node": name.package.publisher}
    return dump({"kind": kind, "db_key": [package, name.db]}).decode()


class NoSuchTransaction(Exception):
    """That process has no such transaction in that database, or no longer."""

    def __init__(self, number: int) -> None:
        super().__init__(
            f"no transaction {number}: it was committed, dropped after 5 minutes, or is not yours"
        )
        self.number = number


class TooMuch(Exception):
    """More than a transaction may hold, or more transactions than a process may have."""


@attrs.define
class _Open(Generic[StepT]):
    owner: ProcessId
    name: DatabaseName
    touched: float
    steps: list[StepT] = attrs.Factory(list)
    size: int = 0


class Transactions(Generic[StepT]):
    """Steps that wait for their commit, each transaction that of one process in one database (F-87).

    Times are seconds of one clock that does not go back.
    """

    def __init__(self) -> None:
        self._open: dict[int, _Open[StepT]] = {}
        self._last = 0

    def __len__(self) -> int:
        return len(self._open)

    def begin(self, owner: ProcessId, name: DatabaseName, now: float) -> int:
        """Its number. Raises `TooMuch`."""
        if sum(found.owner == owner for found in self._open.values()) >= MOST_OPEN:
            raise TooMuch(f"{owner} has {MOST_OPEN} transactions open; commit one first")
        self._last += 1
        self._open[self._last] = _Open(owner, name, now)
        return self._last

    def add(
        self, number: int, owner: ProcessId, name: DatabaseName, step: StepT, size: int, now: float
    ) -> None:
        """Raises `NoSuchTransaction`, and `TooMuch`, which leaves the transaction as it was."""
        found = self._of(number, owner, name, now)
        if len(found.steps) >= MOST_STEPS or found.size + size > MOST_BYTES:
            raise TooMuch(
                f"transaction {number} holds {len(found.steps)} writes of {found.size} bytes, "
                f"at most {MOST_STEPS} and {MOST_BYTES}; commit it first"
            )
        found.steps.append(step)
        found.size += size
        found.touched = now

    def take(self, number: int, owner: ProcessId, name: DatabaseName, now: float) -> list[StepT]:
        """Its steps in order; it is over. Raises `NoSuchTransaction`."""
        found = self._of(number, owner, name, now)
        del self._open[number]
        return found.steps

    def owners(self) -> list[ProcessId]:
        """Each of them once."""
        return list(dict.fromkeys(found.owner for found in self._open.values()))

    def drop_of(self, owner: ProcessId) -> int:
        """How many it had."""
        return self._drop([number for number, found in self._open.items() if found.owner == owner])

    def drop_in(self, name: DatabaseName) -> None:
        self._drop([number for number, found in self._open.items() if found.name == name])

    def drop_idle(self, now: float) -> float | None:
        """Those that are idle for too long. When to ask again; None once there are none."""
        self._drop([number for number, found in self._open.items() if _is_idle(found, now)])
        if not self._open:
            return None
        return min(found.touched for found in self._open.values()) + IDLE_SECONDS

    def _of(self, number: int, owner: ProcessId, name: DatabaseName, now: float) -> _Open[StepT]:
        found = self._open.get(number)
        if found is None or found.owner != owner or found.name != name or _is_idle(found, now):
            raise NoSuchTransaction(number)
        return found

    def _drop(self, numbers: list[int]) -> int:
        for number in numbers:
            del self._open[number]
        return len(numbers)


def _is_idle(found: _Open[StepT], now: float) -> bool:
    return now >= found.touched + IDLE_SECONDS
