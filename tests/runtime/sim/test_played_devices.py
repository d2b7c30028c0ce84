"""The devices of a replay give what the record says, and what is the same each time beyond it."""

from __future__ import annotations

from hashlib import sha256

import pytest

from kernel.address import ProcessId
from kernel.errors import NoSuchFile
from kernel.message import OnExit
from runtime.package_code import compile_package
from runtime.record.lines import Code, Created, Drew, Secret, Seeded, Signed, Verified
from runtime.sim.played_devices import NoStore, PlayedChance, PlayedClock, PlayedKeys, PlayedPrograms

PID = ProcessId("app", "app", "me")


class Drawn:
    """`Draws` of one record."""

    def __init__(self, drew: Drew | None = None, seed: Seeded | None = None) -> None:
        self.drew = drew
        self.seed = seed

    def drawn(self, label: str, bits: int) -> Drew | None:
        return self.drew

    def seeded(self, label: str) -> Seeded | None:
        return self.seed

    def secret(self, label: str, size: int) -> Secret | None:
        return None


def test_the_clock_stands_still_until_it_is_moved():
    clock = PlayedClock(5.0)
    clock.start_clock()
    assert clock.current_time() == 5.0
    assert clock.deadline_to_sleep_time(6.0) > 0
    clock.at = 6.0
    assert clock.deadline_to_sleep_time(6.0) == 0


def test_draws_and_generators_are_those_of_the_record():
    chance = PlayedChance(Drawn(Drew(0.0, PID, "1.0", "dice", 8, "2a"), Seeded(0.0, PID, "1.0", "app", "ff")))
    assert chance.bits("dice", 8) == 42
    assert chance.generator("app").random() == chance.generator("app").random()


def test_what_is_not_in_the_record_is_the_same_in_each_replay():
    first, second = PlayedChance(Drawn()), PlayedChance(Drawn())
    assert [first.bits("x", 70), first.secret("y", 9), first.generator("z").random()] == [
        second.bits("x", 70),
        second.secret("y", 9),
        second.generator("z").random(),
    ]
    assert first.bits("x", 3) < 8
    assert len(first.secret("y", 5)) == 5


def test_signatures_are_those_of_the_record():
    digest = sha256(b"data").hexdigest()
    keys = PlayedKeys([Signed(0.0, digest, "ab" * 64), Verified(0.0, "bob.uq", digest, "cd", genuine=True)])
    assert keys.sign(b"data") == b"\xab" * 64
    assert keys.sign(b"other") == bytes(64)
    assert len(keys.public_key) == 32
    assert keys.verify("alice.uq", b"data", b"\xab" * 64)
    assert keys.verify("bob.uq", b"data", b"\xcd")
    assert not keys.verify("bob.uq", b"data", b"\xce")


async def test_the_store_keeps_nothing():
    store = NoStore()
    store.apply([])
    await store.flush()
    assert (await store.read("t", "k"), await store.scan("t")) == (None, [])


class Children:
    """`Births` of one child, or none."""

    def __init__(self, child: Created | None) -> None:
        self.child = child

    def next_child(self) -> Created | None:
        return self.child


def created(code: str | None) -> Created:
    return Created(0.0, PID, None, "", "/app.py", code, "app", OnExit.none(), True, False, 1, 1, [])


async def test_code_is_that_of_the_record_whatever_it_is_written_in():
    latin = "# -*- coding: latin-1 -*-\nword = 'ä'\nasync def init(our): pass\n"
    line = Code("00", "/app:me/pkg", {"app.py": latin})
    programs = PlayedPrograms([line], {}, Children(created("00")))
    ready, prepared = programs.ready(PID, "/app.py"), await programs.prepare(PID, "/app.py")
    assert ready is not None
    assert "".join(ready.code.modules["app"].lines) == latin
    assert prepared.code is ready.code


async def test_other_code_may_stand_for_that_of_a_drive():
    code = compile_package("/app:me/pkg", {"app.py": b"async def init(our): pass\n"})
    programs = PlayedPrograms(
        [Code("00", "/app:me/pkg", {"app.py": ""})], {code.root: code}, Children(created("00"))
    )
    ready = programs.ready(PID, "/app.py")
    assert ready is not None
    assert ready.code is code


async def test_a_child_that_is_not_in_the_record_has_no_code():
    programs = PlayedPrograms([], {}, Children(None))
    assert programs.ready(PID, "/app.py") is None
    with pytest.raises(NoSuchFile, match="is not in the record"):
        await programs.prepare(PID, "/app.py")
    assert programs.of(created(None)) is None
