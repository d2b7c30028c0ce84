"""Several registries as one, and the keys that come with them."""

from __future__ import annotations

from runtime.known_nodes import KnownNodes
from runtime.registered_keys import RegisteredKeys
from runtime.sim.registry import MemoryRegistry
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
