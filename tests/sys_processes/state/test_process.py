from __future__ import annotations

import pytest
import trio

from kernel.address import Address, ProcessId
from kernel.capability import ROOT, Capability
from kernel.errors import StateError
from kernel.message import Payload, Request
from kernel.ports import Init
from kernel.syscalls import current
from runtime.sim.store import MemoryStore
from sys_processes.state import process as state
from tests.support.module_node import NODE, ask, holds_open, module, module_node

ALICE = "alice:test:alice.uq"
BOB = "bob:test:alice.uq"
STATE = Address(NODE, ProcessId("state", "sys", "nectar"))
MAY_ASK = (Capability.messaging(STATE),)


def modules(store: MemoryStore) -> dict[str, tuple[Init, bool]]:
    return {"state": (state.make(store), False)}


async def test_a_process_finds_its_state_again() -> None:
    async def script() -> None:
        node = current()
        assert await node.get_state() is None
        for value in (b"one", b""):
            await node.set_state(value)
            assert await node.get_state() == value
        await node.clear_state()
        assert await node.get_state() is None

    async with module_node(modules(MemoryStore())) as node:
        await node.as_process(ALICE, script)


async def test_what_was_acknowledged_survives_a_crash() -> None:
    store = MemoryStore()

    async def script() -> None:
        await current().set_state(b"kept")
        current().send_request(
            module("state"), Request(ipc=b'{"SetState":"%s"}' % ALICE.encode()), None, Payload()
        )

    async def after() -> None:
        assert await current().get_state() == b"kept"

    async with module_node(modules(store)) as node:
        await node.as_process(ALICE, script)
    async with module_node(modules(store.crash())) as node:
        await node.as_process(ALICE, after)


async def test_a_set_is_acknowledged_only_when_it_is_durable() -> None:
    gate, pause = holds_open()
    store = MemoryStore(pause)
    acknowledged: list[str] = []

    async def script() -> None:
        await current().set_state(b"x")
        acknowledged.append("set")

    async with module_node(modules(store)) as node, trio.open_nursery() as nursery:
        nursery.start_soon(node.as_process, ALICE, script)
        await trio.sleep(1)
        assert acknowledged == []
        gate.set()
        await trio.sleep(1)
        assert acknowledged == ["set"]


class CountingStore(MemoryStore):
    """How many flushes were under way at most."""

    def __init__(self) -> None:
        super().__init__(self._flush)
        self.under_way = 0
        self.most = 0

    async def _flush(self) -> None:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await trio.sleep(0.1)
        self.under_way -= 1


async def test_many_sets_wait_for_the_disk_together() -> None:
    store = CountingStore()

    async def script() -> None:
        for n in range(20):
            ipc = b'{"SetState":"%s"}' % ALICE.encode()
            current().send_request(module("state"), Request(False, 5, ipc), None, Payload(None, b"%d" % n))
        start = trio.current_time()
        answers = [(await current().receive()).ipc for _ in range(20)]
        assert answers == [b'"SetState"'] * 20
        assert trio.current_time() - start == pytest.approx(0.1)
        assert await current().get_state() == b"19"

    async with module_node(modules(store)) as node:
        await node.as_process(ALICE, script, MAY_ASK)
    assert store.most == 20


async def test_no_process_reaches_the_state_of_another() -> None:
    """C-082."""

    async def victim() -> None:
        await current().set_state(b"secret")

    async def thief() -> None:
        for action in (b"GetState", b"SetState", b"DeleteState"):
            answer = await ask("state", b'{"%s":"%s"}' % (action, ALICE.encode()), Payload(None, b"mine"))
            assert b'{"Err":{"BadRequest":' in answer.ipc
            assert answer.payload() is None

    async def check() -> None:
        assert await current().get_state() == b"secret"

    async with module_node(modules(MemoryStore())) as node:
        await node.as_process(ALICE, victim)
        await node.as_process(BOB, thief, MAY_ASK)
        await node.as_process(ALICE, check)


async def test_who_holds_root_reaches_every_state() -> None:
    async def owner() -> None:
        await current().set_state(b"s")

    async def root() -> None:
        answer = await ask("state", b'{"GetState":"%s"}' % ALICE.encode())
        payload = answer.payload()
        assert payload is not None
        assert (answer.ipc, payload.bytes) == (b'"GetState"', b"s")

    async with module_node(modules(MemoryStore())) as node:
        await node.as_process(ALICE, owner)
        await node.as_process(BOB, root, (*MAY_ASK, Capability(STATE, ROOT)))


async def test_a_broken_store_is_an_error_of_the_request_and_no_more() -> None:
    store = MemoryStore()

    async def script() -> None:
        store.broken = "the disk is gone"
        with pytest.raises(StateError, match="the disk is gone"):
            await current().set_state(b"x")
        with pytest.raises(StateError, match="the disk is gone"):
            await current().get_state()
        store.broken = None
        await current().set_state(b"y")
        assert await current().get_state() == b"y"

    async with module_node(modules(store)) as node:
        await node.as_process(ALICE, script)


async def test_bad_requests_are_answered_and_survived() -> None:
    """C-172."""

    async def script() -> None:
        assert b'{"Err":{"BadJson":' in (await ask("state", b"nonsense")).ipc
        assert b'{"Err":{"BadJson":' in (await ask("state", b'{"GetState":"alice"}')).ipc
        own = b'{"SetState":"%s"}' % ALICE.encode()
        assert (await ask("state", own)).ipc == b'{"Err":{"BadBytes":{"action":"SetState"}}}'
        assert (await ask("state", b'"Backup"')).ipc == b'"Backup"'

    async with module_node(modules(MemoryStore())) as node:
        await node.as_process(ALICE, script, MAY_ASK)


async def test_a_request_of_another_node_changes_nothing() -> None:
    """C-158."""
    store = MemoryStore()
    async with module_node(modules(store)) as node:
        request = Request(False, 5, b'{"DeleteState":"evil:evil:bob.uq"}')
        (answer,) = await node.from_another_node("state", request)
        assert b"BadRequest" in answer
