"""What an indexer tells of names, and what a name keeps (PROTOCOL 7.7, 9.1)."""

from __future__ import annotations

import attrs
import pytest
import trio

from sys_processes.net import name_updates
from sys_processes.net.name_updates import GATHER_SECONDS, NameRefused, ToldNames, update_record
from sys_processes.net.protocol import NameUpdate, QnsName
from tests.sys_processes.net.between_cores import record_of

BOB = attrs.evolve(record_of("bob.uq"), signature=b"")
KEY = BOB.key_hex


@pytest.mark.parametrize(
    ("update", "address", "routers"),
    [
        (NameUpdate("bob.uq", KEY, ("1.2.3.4",), {"ws": 9000, "tcp": 1}, ()), "1.2.3.4:9000", ()),
        (NameUpdate("bob.uq", KEY, ("1.2.3.4", "5.6.7.8"), {"ws": 1}, ("r.uq",)), "1.2.3.4:1", ("r.uq",)),
        (NameUpdate("bob.uq", KEY, ("0.0.0.0", "2001:db8::1"), {"ws": 1}, ()), "[2001:db8::1]:1", ()),
        (NameUpdate("bob.uq", KEY, ("1.2.3.4",), {"tcp": 1}, ("r.uq",)), None, ("r.uq",)),
        (NameUpdate("bob.uq", KEY, (), {"ws": 1}, ("r.uq",)), None, ("r.uq",)),
        (QnsName("bob.uq", KEY, "1.2.3.4", 9000, ()), "1.2.3.4:9000", ()),
        (QnsName("bob.uq", KEY[2:], "0.0.0.0", 0, ("r.uq", "s.uq")), None, ("r.uq", "s.uq")),
    ],
)
def test_an_update_says_by_which_key_and_how_a_node_is_reached(update, address, routers):
    assert update_record(update) == attrs.evolve(BOB, address=address, routers=routers)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"name": "our"}, "'our' is no name of a node"),
        ({"name": "b" * 254}, "it has 254 characters, 253 at most"),
        ({"public_key": "0x00"}, "key has 1 bytes, an Ed25519 public key has 32"),
        ({"public_key": "bob"}, "public_key is 'bob', expected 0x and 64 hex digits"),
        ({"ips": ()}, "has no way to it"),
        ({"ports": {}}, "has no way to it"),
        ({"ports": {"ws": 0}}, "has no way to it"),
        ({"ips": ("no such place",)}, "expected 'host:port'"),
        ({"routers": ("bob.uq",)}, "its own router"),
    ],
)
def test_what_no_node_can_be_is_refused(changes, problem):
    update = attrs.evolve(NameUpdate("bob.uq", KEY, ("1.2.3.4",), {"ws": 1}, ()), **changes)
    with pytest.raises(NameRefused, match=problem):
        update_record(update)


def test_a_name_keeps_its_key_and_may_move():
    told = ToldNames()
    told.tell(BOB, None, "indexer")
    moved = attrs.evolve(BOB, address="elsewhere:1")
    told.tell(moved, told.find("bob.uq"), "indexer")
    assert told.records() == [attrs.evolve(moved, serial=1)]
    other = attrs.evolve(BOB, public_key=b"\1" * 32)
    with pytest.raises(NameRefused, match=f"its key is {KEY} and stays so, not 0x0101"):
        told.tell(other, told.find("bob.uq"), "indexer")
    assert told.find("bob.uq") == attrs.evolve(moved, serial=1)
    [conflict] = told.conflicts()
    assert (conflict.kept, conflict.refused, conflict.where) == (BOB.public_key, other.public_key, "indexer")
    told.tell(moved, told.find("bob.uq"), "indexer")
    assert told.conflicts() == []


def test_a_name_that_another_registry_knows_by_another_key_is_not_taken():
    told = ToldNames()
    with pytest.raises(NameRefused):
        told.tell(attrs.evolve(BOB, public_key=b"\1" * 32), BOB, "indexer")
    assert told.records() == []


def test_only_so_many_names_are_kept(monkeypatch):
    monkeypatch.setattr(name_updates, "MOST_NAMES", 1)
    told = ToldNames()
    told.tell(BOB, None, "indexer")
    with pytest.raises(NameRefused, match="1 names were told"):
        told.tell(attrs.evolve(BOB, name="carol.uq"), None, "indexer")
    told.tell(attrs.evolve(BOB, address="elsewhere:1"), BOB, "indexer")
    assert [record.name for record in told.records()] == ["bob.uq"]


async def test_who_waits_hears_of_news_and_not_of_what_is_known():
    told = ToldNames()
    told.tell(BOB, None, "indexer")
    await told.wait_change()
    told.tell(BOB, BOB, "indexer")
    with trio.move_on_after(100) as scope:
        await told.wait_change()
    assert scope.cancelled_caught
    async with trio.open_nursery() as nursery:
        nursery.start_soon(told.wait_change)
        await trio.sleep(1)
        told.tell(attrs.evolve(BOB, address="elsewhere:1"), BOB, "indexer")


async def test_what_is_told_in_quick_succession_is_few_changes_and_nothing_is_missed():
    """Each change costs whoever hears of it a look at all names."""
    told, heard = ToldNames(), []

    async def listen() -> None:
        while True:
            await told.wait_change()
            heard.append(len(told.records()))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(listen)
        for number in range(100):
            told.tell(attrs.evolve(BOB, name=f"n{number}.uq"), None, "indexer")
            await trio.sleep(GATHER_SECONDS / 50)
        await trio.sleep(1)
        nursery.cancel_scope.cancel()
    assert len(heard) <= 4
    assert heard[-1] == 100
