"""What an object does when it is used by one process after the other: what `linearizable` compares with."""

from __future__ import annotations

import enum
from collections.abc import Hashable
from typing import Protocol

from runtime.sim.check.history import Call, Unfit


class Impossible(enum.Enum):
    """A call cannot have had this result in this state."""

    IMPOSSIBLE = "impossible"


IMPOSSIBLE = Impossible.IMPOSSIBLE


class Model(Protocol):
    """States are hashable values. A call of unknown outcome has any result."""

    def key(self, call: Call) -> Hashable:
        """Calls of different keys have nothing to do with each other."""

    def initial(self, key: Hashable) -> Hashable: ...

    def step(self, state: Hashable, call: Call) -> Hashable:
        """The state after it, or IMPOSSIBLE. Raises `Unfit` for a call that the object does not know."""


class Register:
    """`write(value)`, `read() -> value`, and `cas((old, new)) -> whether it was old`."""

    def __init__(self, initial: Hashable = None) -> None:
        self._initial = initial

    def key(self, call: Call) -> Hashable:
        return None

    def initial(self, key: Hashable) -> Hashable:
        return self._initial

    def step(self, state: Hashable, call: Call) -> Hashable:
        return register_step(state, call, call.value)


def register_step(state: Hashable, call: Call, value: object) -> Hashable:
    """`value` is the argument."""
    match call.f, value:
        case "read", _:
            return state if not call.is_ok or call.result == state else IMPOSSIBLE
        case "write", _:
            return value
        case "cas", (old, new):
            happens = state == old
            if call.is_ok and bool(call.result) is not happens:
                return IMPOSSIBLE
            return new if happens else state
    raise Unfit(f"{call}: a register knows read, write(value) and cas((old, new))")


class KV:
    """A register for each key: `read(key)`, `write((key, value))`, `cas((key, old, new))`."""

    def __init__(self, initial: Hashable = None) -> None:
        self._initial = initial

    def key(self, call: Call) -> Hashable:
        if call.f == "read":
            return call.value
        if not isinstance(call.value, tuple) or not call.value:
            raise Unfit(f"{call}: expected (key, ...)")
        key: Hashable = call.value[0]
        return key

    def initial(self, key: Hashable) -> Hashable:
        return self._initial

    def step(self, state: Hashable, call: Call) -> Hashable:
        match call.f, call.value:
            case "write", (_, value):
                return register_step(state, call, value)
            case "cas", (_, old, new):
                return register_step(state, call, (old, new))
            case "read", _:
                return register_step(state, call, None)
        raise Unfit(f"{call}: a store knows read(key), write((key, value)) and cas((key, old, new))")


class Lock:
    """`acquire() -> whether it was free`, `release()`. Who holds it is the state."""

    def key(self, call: Call) -> Hashable:
        return call.value

    def initial(self, key: Hashable) -> Hashable:
        return None

    def step(self, state: Hashable, call: Call) -> Hashable:
        if call.f == "acquire":
            happens = state is None
            if call.is_ok and bool(call.result) is not happens:
                return IMPOSSIBLE
            return call.process if happens else state
        if call.f == "release":
            return None if state == call.process else IMPOSSIBLE
        raise Unfit(f"{call}: a lock knows acquire and release")
