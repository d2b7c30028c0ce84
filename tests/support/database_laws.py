"""kv and sqlite against a dict: one process after the other, transactions, removal, and crashes between any two steps
and in the midst of one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence
from typing import TypeVar

import attrs
import trio
from hypothesis import strategies as st

from kernel.jsontext import JsonValue
from kernel.ports import Init
from runtime.sim.workers import Pause
from tests.support.database_calls import NO_DB, WHITE, Calls
from tests.support.module_node import module_node

HeldT = TypeVar("HeldT")

KEYS = (1, 2, 3)


@attrs.frozen
class Begin:
    pass


@attrs.frozen
class Change:
    """`value` None deletes. `number` counts the transactions begun so far, from the last; 0 is none."""

    key: int
    value: int | None
    number: int = 0


@attrs.frozen
class Commit:
    number: int


@attrs.frozen
class Remove:
    pass


@attrs.frozen
class Open:
    pass


@attrs.frozen
class Idle:
    """Six minutes."""


@attrs.frozen
class Die:
    """The process ends; another one of the same name comes."""


@attrs.frozen
class Crash:
    """The power goes after so many pauses of the device, while that step is under way."""

    step: Change | Commit | Remove | Open
    pauses: int


Action = Begin | Change | Commit | Remove | Open
Step = Action | Idle | Die | Crash

_CHANGES = st.builds(
    Change, st.sampled_from(KEYS), st.none() | st.integers(1, 3), st.sampled_from([0, 0, 1, 2])
)
_COMMITS = st.builds(Commit, st.sampled_from([1, 1, 2]))
_CRASHES = st.builds(
    Crash, st.one_of(_CHANGES, _COMMITS, st.just(Remove()), st.just(Open())), st.integers(0, 4)
)
_SINGLE = st.one_of(
    _CHANGES, st.just(Begin()), _COMMITS, st.sampled_from([Open(), Remove(), Idle(), Die()]), _CRASHES
)
_IN_ONE = st.builds(Change, st.sampled_from(KEYS), st.none() | st.integers(1, 3), st.just(1))
_ENDINGS: st.SearchStrategy[list[Step]] = st.one_of(
    st.builds(lambda pauses: [Crash(Commit(1), pauses)], st.integers(0, 4)),
    st.sampled_from([[Commit(1)], [Idle(), Commit(1)], [Die(), Commit(1)], [Remove(), Open(), Commit(1)]]),
)
_TRANSACTIONS = st.builds(
    lambda changes, ending: [Begin(), *changes, *ending], st.lists(_IN_ONE, min_size=1, max_size=3), _ENDINGS
)
STEPS: st.SearchStrategy[list[Step]] = st.lists(
    st.one_of(_SINGLE.map(lambda step: [step]), _TRANSACTIONS), max_size=10
).map(lambda parts: [step for part in parts for step in part])


@attrs.define
class Freezer:
    """A device's pause that never ends once it was passed `left` times."""

    left: int | None = None

    async def pause(self) -> None:
        await trio.lowlevel.checkpoint()
        if self.left is not None:
            if self.left == 0:
                await trio.sleep_forever()
            self.left -= 1


class Subject(ABC):
    """How one of the two is asked."""

    name: str

    @abstractmethod
    def held(self, pause: Pause) -> Held: ...

    @abstractmethod
    def change(self, key: int, value: int | None, tx_id: int | None) -> tuple[JsonValue, bytes | None]:
        """The action and its payload."""

    @abstractmethod
    async def look(self) -> dict[int, int]: ...

    @abstractmethod
    async def prepare(self) -> None:
        """What a new database needs to take changes; an older one has it already."""


class Held(ABC):
    """The device below."""

    @abstractmethod
    def module(self) -> Init: ...

    @abstractmethod
    def crash(self) -> Held: ...


Image = dict[int, int] | None


@attrs.define
class Model:
    """`image` None: there is no database. `open_` are the transactions of the process that lives."""

    image: Image = None
    open_: dict[int, list[Change]] = attrs.Factory(dict)
    begun: list[int] = attrs.Factory(list)

    def number(self, back: int) -> int:
        """Of a transaction; one that never was, if so many were not begun."""
        return self.begun[-back] if 0 < back <= len(self.begun) else 999

    def after(self, step: Action) -> tuple[Image, JsonValue]:
        """What is there once the step is acknowledged, and how it is. Changes nothing."""
        match step:
            case Open():
                return self.image or {}, "Ok"
            case Remove():
                return None, NO_DB if self.image is None else "Ok"
            case Change(_, _, 0):
                return (None, NO_DB) if self.image is None else (applied(self.image, [step]), "Ok")
            case Change(_, _, back):
                number = self.number(back)
                return self.image, "Ok" if number in self.open_ else {"Err": {"NoTx": number}}
            case Commit(back):
                number = self.number(back)
                if number not in self.open_:
                    return self.image, {"Err": {"NoTx": number}}
                assert self.image is not None
                return applied(self.image, self.open_[number]), "Ok"
            case Begin():
                return self.image, NO_DB if self.image is None else "Ok"

    def take(self, step: Action) -> None:
        """The step was acknowledged."""
        known = self.number(step.number) if isinstance(step, Change | Commit) else 0
        if isinstance(step, Change) and step.number and known in self.open_:
            self.open_[known] = [*self.open_[known], step]
        self.image, _ = self.after(step)
        if isinstance(step, Commit):
            self.open_.pop(known, None)
        if self.image is None:
            self.open_.clear()

    def died(self) -> None:
        self.open_.clear()


def applied(image: dict[int, int], changes: Sequence[Change]) -> dict[int, int]:
    after = dict(image)
    for change in changes:
        if change.value is None:
            after.pop(change.key, None)
        else:
            after[change.key] = change.value
    return after


class Run:
    """One list of steps, on one node after the other."""

    def __init__(self, subject: Subject, steps: Sequence[Step]) -> None:
        self._subject = subject
        self._call = Calls(subject.name)
        self._rest = deque(steps)
        self._model = Model()
        self._freezer = Freezer()
        self._possible: list[Image] = []

    async def follow(self) -> None:
        held = self._subject.held(self._freezer.pause)
        while self._rest:
            self._freezer.left = None
            async with module_node({self._subject.name: (held.module(), True)}) as node:
                self._possible = []
                while self._rest and not self._possible:
                    await node.as_process(WHITE, self._life)
                    self._model.died()
            held = held.crash()
            self._model.begun = []
            if self._possible:
                self._freezer.left = None
                self._model.image = await self._found(held)
                assert self._model.image in self._possible
                self._possible = []
        held.crash()

    async def _found(self, held: Held) -> Image:
        found: list[Image] = []

        async def look() -> None:
            exists = await self._call("BeginTx") != NO_DB
            found.append(await self._subject.look() if exists else None)

        rights = [self._call.capability(kind) for kind in ("read", "write")]
        async with module_node({self._subject.name: (held.module(), True)}) as node:
            await node.as_process("looker:test:test", look, rights)
        return found[0]

    async def _life(self) -> None:
        """Of one process, until it dies or the power goes."""
        await self._do(Open())
        while self._rest:
            match self._rest.popleft():
                case Die():
                    return
                case Idle():
                    await trio.sleep(360)
                    self._model.open_.clear()
                case Crash(step, pauses):
                    await self._crash(step, pauses)
                    return
                case step:
                    await self._do(step)
            if self._model.image is not None:
                assert await self._subject.look() == self._model.image

    async def _do(self, step: Action) -> None:
        if isinstance(step, Begin) and self._model.image is not None:
            number = await self._call.begin()
            self._model.open_[number] = []
            self._model.begun.append(number)
            return
        _, expected = self._model.after(step)
        action, payload = self._action(step)
        assert await self._call(action, payload) == expected
        self._model.take(step)
        if isinstance(step, Open):
            await self._subject.prepare()

    async def _crash(self, step: Action, pauses: int) -> None:
        after, _ = self._model.after(step)
        self._freezer.left = pauses
        action, payload = self._action(step)
        self._call.send(action, payload)
        await trio.sleep(1)
        self._possible = [self._model.image, after]

    def _action(self, step: Action) -> tuple[JsonValue, bytes | None]:
        match step:
            case Open():
                return "Open", None
            case Remove():
                return "RemoveDb", None
            case Begin():
                return "BeginTx", None
            case Commit(back):
                return {"Commit": {"tx_id": self._model.number(back)}}, None
            case Change(key, value, back):
                return self._subject.change(key, value, self._model.number(back) if back else None)
