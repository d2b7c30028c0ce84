"""Several registries as one, and the keys that come with them."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import pytest

from runtime.known_nodes import KnownNodes
from runtime.peers_file import PeersFile, peer_block
from runtime.registered_keys import RegisteredKeys
from runtime.sim.registry import MemoryRegistry
from sys_processes.net.protocol import IdentityRecord
from tests.support.net_world import identity_of, record_of

ALICE, BOB, MALLORY = record_of("alice.uq"), record_of("bob.uq"), record_of("bob.uq", key_of="mallory.uq")


def registry(*records) -> MemoryRegistry:
    made = MemoryRegistry()
    for record in records:
        made.put(record)
    return made


def test_the_earlier_registry_counts_and_the_difference_is_reported():
    known = KnownNodes([registry(BOB), registry(MALLORY, ALICE)])
    assert known.records() == [ALICE, BOB]
    assert (known.find("bob.uq"), known.find("alice.uq"), known.find("carol.uq")) == (BOB, ALICE, None)
    [conflict] = known.conflicts()
    assert (conflict.name, conflict.kept, conflict.refused) == ("bob.uq", BOB.public_key, MALLORY.public_key)


@pytest.fixture
def filed(tmp_path) -> Callable[[IdentityRecord], PeersFile]:
    def file_with(record: IdentityRecord) -> PeersFile:
        path = tmp_path / "peers.toml"
        path.write_text(peer_block(record))
        return PeersFile(path, pytest.fail)

    return file_with


def here(name: str, serial: int) -> MemoryRegistry:
    """A node of this machine in its run of that number."""
    return registry(record_of(name, address="127.0.0.1:9", serial=serial))


def test_a_node_of_this_machine_is_reached_there_also_when_the_file_only_names_its_routers(filed):
    file = filed(attrs.evolve(BOB, address=None, routers=("router.uq",)))
    [routed] = file.records()
    known = KnownNodes([file, here("bob.uq", serial=5)])
    both = attrs.evolve(routed, address="127.0.0.1:9", serial=5)
    assert (known.find("bob.uq"), known.records(), known.conflicts()) == (both, [both], [])
    for other in (registry(), registry(MALLORY)):
        known = KnownNodes([file, other])
        assert (known.find("bob.uq"), known.records()) == (routed, [routed])


def test_the_address_of_the_file_stays_and_a_new_boot_shows_all_the_same(filed):
    """Who is booted anew at its old address is to be tried at once, not after the rest of its back-off."""
    file = filed(BOB)
    for serial in (5, 6):
        found = KnownNodes([file, here("bob.uq", serial)]).find("bob.uq")
        assert found == attrs.evolve(BOB, serial=serial, signature=b"")


def test_signatures_are_checked_with_the_registered_keys():
    own, bob = identity_of("alice.uq"), identity_of("bob.uq")
    known = registry(BOB)
    keys = RegisteredKeys("alice.uq", own, known)
    assert keys.public_key == own.public_key
    assert keys.verify("alice.uq", b"data", keys.sign(b"data"))
    assert keys.verify("bob.uq", b"data", bob.sign(b"data"))
    assert not keys.verify("bob.uq", b"other", bob.sign(b"data"))
    assert not keys.verify("alice.uq", b"data", bob.sign(b"data"))
    assert not keys.verify("carol.uq", b"data", bob.sign(b"data"))
    known.remove("bob.uq")
    assert not keys.verify("bob.uq", b"data", bob.sign(b"data"))
