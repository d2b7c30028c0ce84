from __future__ import annotations

from kernel.address import PackageId
from kernel.ports import Put
from runtime.sim.store import MemoryStore
from runtime.unfinished import TABLE, Removing, Starting, Unfinished

CHESS, GO = PackageId("chess", "me"), PackageId("go", "me")


async def test_what_has_begun_survives_a_crash() -> None:
    store = MemoryStore()
    unfinished = Unfinished(store)
    await unfinished.begin(CHESS, Starting(approved=True))
    await unfinished.begin(GO, Removing())
    assert await Unfinished(store.crash()).load() == {CHESS: Starting(approved=True), GO: Removing()}


async def test_the_end_is_as_durable_as_what_came_before_it() -> None:
    store = MemoryStore()
    unfinished = Unfinished(store)
    await unfinished.begin(CHESS, Removing())
    store.apply([Put("other", "key", b"")])
    unfinished.end(CHESS)
    assert await unfinished.load() == {}
    crashed = store.crash()
    assert (await Unfinished(crashed).load(), await crashed.scan("other")) == ({CHESS: Removing()}, [])


async def test_what_cannot_be_read_is_left_out() -> None:
    store = MemoryStore()
    store.apply([Put(TABLE, "no package", b'"Removing"'), Put(TABLE, str(GO), b"{}")])
    assert await Unfinished(store).load() == {}
