"""What every Registry does: in memory, from a peers file, from the folder that local nodes share, and of several."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
import trio

from runtime.files import replace_file
from runtime.known_nodes import KnownNodes
from runtime.local_directory import LocalDirectory
from runtime.peers_file import PeersFile, peer_block
from runtime.sim.registry import MemoryRegistry
from sys_processes.devices import Registry
from sys_processes.net.protocol import IdentityRecord
from tests.support.net_world import record_of

ALICE, BOB = record_of("alice.uq"), record_of("bob.uq")


def unsigned(record: IdentityRecord | None) -> IdentityRecord | None:
    """What a peers file cannot say is left out of the comparison."""
    return None if record is None else attrs.evolve(record, signature=b"", serial=0)


class InMemory:
    def __init__(self, folder: Path) -> None:
        self.registry: Registry = MemoryRegistry()

    async def know(self, *records: IdentityRecord) -> None:
        assert isinstance(self.registry, MemoryRegistry)
        for known in self.registry.records():
            if known.name not in [record.name for record in records]:
                self.registry.remove(known.name)
        for record in records:
            self.registry.put(record)

    def close(self) -> None: ...


class InFile:
    def __init__(self, folder: Path) -> None:
        self._path = folder / "peers.toml"
        self._path.write_text("")
        self.registry: Registry = PeersFile(self._path, print)

    async def know(self, *records: IdentityRecord) -> None:
        replace_file(self._path, "\n".join(map(peer_block, records)).encode())

    def close(self) -> None: ...


class InFolder:
    def __init__(self, folder: Path) -> None:
        self._folder = folder / "nodes"
        self._others: dict[str, LocalDirectory] = {}
        self.registry: Registry = LocalDirectory(self._folder, print)

    async def know(self, *records: IdentityRecord) -> None:
        self.close()
        for record in records:
            node = self._others[record.name] = LocalDirectory(self._folder, print)
            await node.publish(record)

    def close(self) -> None:
        for node in self._others.values():
            node.close()
        self._others = {}


class OfSeveral(InFile):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.registry = KnownNodes([MemoryRegistry(), self.registry])


@pytest.fixture(params=[InMemory, InFile, InFolder, OfSeveral])
def known(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[InMemory | InFile | InFolder]:
    made = request.param(tmp_path)
    yield made
    made.close()


@pytest.fixture(params=[InMemory, InFile, OfSeveral])
def bound(request: pytest.FixtureRequest, tmp_path: Path) -> InMemory | InFile:
    """Where a name keeps its key; in the folder whoever holds the lock has the name."""
    return request.param(tmp_path)


async def test_nobody_is_known_at_first(known):
    assert known.registry.records() == known.registry.conflicts() == []
    assert known.registry.find("bob.uq") is None


async def test_who_is_known_is_found_and_listed_by_name(known):
    await known.know(BOB, ALICE)
    await known.registry.wait_change()
    assert [unsigned(record) for record in known.registry.records()] == [unsigned(ALICE), unsigned(BOB)]
    assert unsigned(known.registry.find("bob.uq")) == unsigned(BOB)
    assert known.registry.find("carol.uq") is None


async def test_without_a_change_the_wait_goes_on(known):
    await known.know(BOB)
    await known.registry.wait_change()
    with trio.move_on_after(100) as scope:
        await known.registry.wait_change()
    assert scope.cancelled_caught


async def test_a_waiting_task_hears_of_a_change(known):
    await known.know(BOB)
    await known.registry.wait_change()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(known.registry.wait_change)
        await trio.sleep(0.5)
        assert nursery.child_tasks
        await known.know(BOB, ALICE)
    assert unsigned(known.registry.find("alice.uq")) == unsigned(ALICE)


async def test_a_change_before_the_wait_is_not_missed(known):
    await known.know(BOB)
    await known.registry.wait_change()
    await known.know()
    await known.registry.wait_change()
    assert known.registry.records() == []


async def test_a_new_address_by_the_same_key_replaces_the_old_one(known):
    await known.know(BOB)
    await known.registry.wait_change()
    moved = record_of("bob.uq", address="elsewhere:1", serial=1)
    await known.know(moved)
    await known.registry.wait_change()
    assert known.registry.find("bob.uq").address == "elsewhere:1"
    assert known.registry.conflicts() == []


async def test_a_forgotten_name_may_come_back_with_another_key(known):
    await known.know(BOB)
    await known.registry.wait_change()
    await known.know()
    await known.registry.wait_change()
    await known.know(record_of("bob.uq", key_of="mallory.uq"))
    await known.registry.wait_change()
    assert known.registry.find("bob.uq").public_key != BOB.public_key
    assert known.registry.conflicts() == []


async def test_another_key_for_a_name_is_refused_and_reported_where_names_are_bound(bound):
    await bound.know(BOB)
    await bound.registry.wait_change()
    other = record_of("bob.uq", key_of="mallory.uq")
    await bound.know(other)
    await bound.registry.wait_change()
    assert unsigned(bound.registry.find("bob.uq")) == unsigned(BOB)
    [conflict] = bound.registry.conflicts()
    assert (conflict.name, conflict.kept, conflict.refused) == ("bob.uq", BOB.public_key, other.public_key)
    await bound.know(BOB)
    await bound.registry.wait_change()
    assert bound.registry.conflicts() == []
