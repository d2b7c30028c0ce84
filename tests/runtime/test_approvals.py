"""What was approved is remembered."""

from __future__ import annotations

from kernel.address import PackageId, ProcessId
from kernel.capability import MESSAGING
from kernel.ports import Put
from runtime.approvals import TABLE, Approvals
from runtime.sim.store import MemoryStore
from sys_processes.app_store.protocol import AskedRight

CHESS = PackageId("chess", "nectar")
TIMER = AskedRight(ProcessId("timer", "sys", "nectar"), MESSAGING)
FILES = AskedRight(ProcessId("vfs", "sys", "nectar"), '{"root":true}')


async def test_rights_add_up_until_they_are_forgotten():
    store = MemoryStore()
    approvals = Approvals(store)
    assert await approvals.of(CHESS) == ()
    await approvals.add(CHESS, [TIMER, TIMER])
    await approvals.add(CHESS, [FILES, TIMER])
    await store.flush()
    approvals = Approvals(store.crash())
    assert await approvals.of(CHESS) == (TIMER, FILES)
    approvals.forget(CHESS)
    assert await approvals.of(CHESS) == ()


async def test_nothing_is_written_when_nothing_is_new():
    store = MemoryStore()
    await Approvals(store).add(CHESS, [])
    assert await store.scan(TABLE) == []


async def test_what_cannot_be_read_was_not_approved():
    store = MemoryStore()
    for damaged in (b"", b"{", b'{"rights":[{"process":"no","params":"x"}]}'):
        store.apply([Put(TABLE, str(CHESS), damaged)])
        assert await Approvals(store).of(CHESS) == ()
