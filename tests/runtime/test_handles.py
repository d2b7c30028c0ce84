from __future__ import annotations

import pytest
import trio

from kernel.address import PackageId
from runtime.handles import Handles
from runtime.sim.workers import InlineWorkers
from sys_processes.devices import DatabaseName

A, B, C = (DatabaseName(PackageId("chess", "nectar"), db) for db in "abc")


class Opened:
    """What is open, and what happened."""

    def __init__(self) -> None:
        self.now: list[str] = []
        self.ever: list[str] = []
        self.handles: Handles[str] = Handles(InlineWorkers(), self._open, self.now.remove, most=2)

    def _open(self, name: DatabaseName) -> str:
        assert name.db not in self.now
        self.now.append(name.db)
        self.ever.append(name.db)
        return name.db

    async def use(self, name: DatabaseName) -> None:
        async with self.handles.using(name) as handle:
            assert handle == name.db
            await trio.sleep(1)


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
    def fails(name: DatabaseName) -> str:
        tries.append(name.db)
        raise OSError(str(len(tries)))

    tries: list[str] = []
    handles: Handles[str] = Handles(InlineWorkers(), fails, tries.remove)
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
