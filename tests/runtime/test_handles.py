from __future__ import annotations

from collections.abc import Callable
from functools import partial

import attrs
import pytest
import trio

from kernel.address import PackageId
from runtime.handles import Handles
from runtime.sim.workers import InlineWorkers
from sys_processes.devices import DatabaseName, EngineFailed

A, B, C = (DatabaseName(PackageId("chess", "nectar"), db) for db in "abc")


@attrs.frozen(eq=False)
class Handle:
    db: str
    close: Callable[[], None]
    unwritable: EngineFailed | None = None


class Opened:
    """What is open, and what happened. While there is no `room`, what is opened is for reading only."""

    def __init__(self) -> None:
        self.now: list[str] = []
        self.ever: list[str] = []
        self.room = True
        self.handles: Handles[Handle] = Handles(InlineWorkers(), self._open, most=2)

    def _open(self, name: DatabaseName) -> Handle:
        assert name.db not in self.now
        self.now.append(name.db)
        self.ever.append(name.db)
        why = None if self.room else EngineFailed(f"no room {len(self.ever)}")
        return Handle(name.db, partial(self.now.remove, name.db), why)

    async def use(self, name: DatabaseName) -> None:
        async with self.handles.using(name) as handle:
            assert handle.db == name.db
            await trio.sleep(1)

    async def write(self, name: DatabaseName) -> None:
        async with self.handles.writing(name) as handle:
            assert handle.unwritable is None


async def test_all_who_use_one_at_once_share_it() -> None:
    opened = Opened()
    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(opened.use, A)
    assert opened.ever == ["a"]
    assert trio.current_time() < 2


async def test_the_one_idle_longest_is_closed_when_there_are_too_many() -> None:
    opened = Opened()
    for name in (A, B, A, C):
        await opened.use(name)
    assert opened.now == ["a", "c"]
    await opened.use(B)
    assert opened.now == ["c", "b"]


async def test_none_that_is_used_is_closed() -> None:
    opened = Opened()
    async with trio.open_nursery() as nursery:
        for name in (A, B, C):
            nursery.start_soon(opened.use, name)
        await trio.sleep(0.5)
        assert sorted(opened.now) == ["a", "b", "c"]
    assert len(opened.now) == 2


async def test_closing_waits_for_users_and_lets_nobody_in_meanwhile() -> None:
    opened = Opened()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(opened.use, A)
        await trio.sleep(0.5)
        async with opened.handles.closed(A):
            assert trio.current_time() == pytest.approx(1)
            assert opened.now == []
            nursery.start_soon(opened.use, A)
            await trio.sleep(5)
            assert opened.now == []
    assert opened.ever == ["a", "a"]


async def test_one_that_cannot_be_opened_is_tried_again() -> None:
    def fails(name: DatabaseName) -> Handle:
        tries.append(name.db)
        raise OSError(str(len(tries)))

    tries: list[str] = []
    handles: Handles[Handle] = Handles(InlineWorkers(), fails)
    for number in (1, 2):
        with pytest.raises(OSError, match=str(number)):
            async with handles.using(A):
                pass
    await handles.aclose()
    assert tries == ["a", "a"]


async def test_everything_is_closed_at_the_end_and_may_be_opened_again() -> None:
    opened = Opened()
    await opened.use(A)
    await opened.use(B)
    await opened.handles.aclose()
    assert opened.now == []
    await opened.use(A)
    assert opened.now == ["a"]


async def test_what_is_open_for_reading_only_is_opened_anew_by_each_who_writes() -> None:
    opened = Opened()
    opened.room = False
    await opened.use(A)
    for number in (2, 3):
        with pytest.raises(EngineFailed, match=f"no room {number}"):
            await opened.write(A)
        await opened.use(A)
    opened.room = True
    await opened.write(A)
    await opened.write(A)
    assert opened.ever == ["a"] * 4
    assert opened.now == ["a"]


async def test_who_writes_first_opens_it_once() -> None:
    opened = Opened()
    opened.room = False
    with pytest.raises(EngineFailed, match="no room 1"):
        await opened.write(A)
    assert opened.ever == ["a"]
