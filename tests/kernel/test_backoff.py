"""When a process that keeps ending runs again (PROTOCOL 4.7; C-077)."""

from __future__ import annotations

from itertools import pairwise

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from kernel.address import Address
from kernel.capability import Capability
from kernel.exits import Backoff
from kernel.message import OnExit, Reason, SendError
from tests.kernel.backoff_model import waits
from tests.support.kernel_node import NODE, Puppet, kernel_node, pid_of


def test_the_model_says_what_the_protocol_says():
    assert waits([0.0] * 13) == [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600]
    assert waits([0.0, 0.0, 0.0, 10.0, 0.0, 4.9, 5.0]) == [0, 1, 2, 0, 1, 2, 4]
    assert waits([0.0, 0.0, 0.0, 9.9]) == [0, 1, 2, 4]
    assert waits([0.0] * 12 + [2999.9, 3000.0]) == [*waits([0.0] * 13), 0]


UPTIMES = st.lists(
    st.one_of(st.just(0.0), st.sampled_from((1.0, 4.9, 5.0, 10.0, 20.0, 2999.0, 3000.0)), st.floats(0, 4000)),
    min_size=1,
    max_size=16,
)


@given(UPTIMES)
async def test_any_cadence_of_exits_is_spaced_as_the_model_says(uptimes):
    """C-077, over virtual time."""
    begun: list[float] = []
    ended: list[float] = []

    async def init(our: Address) -> None:
        begun.append(trio.current_time())
        if len(begun) > len(uptimes):
            await trio.sleep_forever()
        await trio.sleep(uptimes[len(begun) - 1])
        ended.append(trio.current_time())
        raise ValueError("again")

    async with kernel_node() as node:
        await node.start("a", init, on_exit=OnExit.restart())
        await trio.sleep(sum(uptimes) + 601 * len(uptimes))
    found = [later - earlier for earlier, later in zip(ended, begun[1:], strict=True)]
    assert found == pytest.approx(waits(uptimes), abs=1e-6)


@given(UPTIMES)
def test_the_back_off_by_itself_agrees(uptimes):
    backoff = Backoff()
    assert [backoff.next_delay(uptime) for uptime in uptimes] == waits(uptimes)
    assert backoff.restarts == len(uptimes)


@pytest.mark.parametrize("end", ["crash", "done"])
async def test_a_clean_return_backs_off_like_a_crash(end):
    async with kernel_node() as node:
        a = await node.puppet("a", on_exit=OnExit.restart())
        for _ in range(3):
            if end == "crash":
                await a.crash()
            else:
                a.finish()
            await trio.sleep(2.5)
        starts = node.starts(a)
        assert [b - a for a, b in pairwise(starts)] == [0, 3.5, 3.5]


async def waiting(node) -> Puppet:
    """In its back-off for another second."""
    a = await node.puppet("a", on_exit=OnExit.restart())
    await a.crash()
    await a.crash(KeyError("the reason"))
    assert node.state(a) == "waiting"
    return a


async def test_a_message_to_a_process_in_its_back_off_comes_back_with_the_reason():
    """docs/processes.md, States."""
    async with kernel_node() as node:
        a, b = await waiting(node), await node.puppet("b")
        with pytest.raises(SendError) as caught:
            await b.ask(a)
        assert (caught.value.reason, caught.value.definite) == (Reason.process_exited, True)
        assert "the reason" in caught.value.detail
        await trio.sleep(1.1)
        await b.send(a, b"back again")
        assert (await a.receive()).ipc == b"back again"


async def test_is_running_and_has_room_are_false_in_the_back_off():
    async with kernel_node() as node:
        a, b = await waiting(node), await node.puppet("b")
        assert not await b.do(lambda calls: calls.is_running(a.pid))
        assert not await b.do(lambda calls: calls.has_room(a.pid, 0))
        await trio.sleep(1.1)
        assert await b.do(lambda calls: calls.is_running(a.pid))
        assert await b.do(lambda calls: calls.has_room(a.pid, 0))
        assert not await b.do(lambda calls: calls.is_running(pid_of("gone")))
        assert not await b.do(lambda calls: calls.has_room(pid_of("gone"), 0))


async def test_a_kill_during_the_back_off_is_the_end():
    async with kernel_node() as node:
        a = await waiting(node)
        await node.kill(a)
        assert node.state(a) is None
        await trio.sleep(1000)
        assert a.runs == 2
        await node.kernel.records.flush()
        assert await node.store.scan("processes") == []


async def test_another_process_may_take_the_name_of_one_killed_in_its_back_off():
    """The old alarm must not start the new one."""
    async with kernel_node() as node:
        a = await waiting(node)
        await node.kill(a)
        node.create("a", a.init, public=True)
        await trio.sleep(1000)
        assert node.state(a) == "starting"
        assert a.runs == 2


async def test_a_shutdown_during_the_back_off_keeps_the_process():
    async with kernel_node() as node:
        a = await waiting(node)
        await node.kernel.stop()
        assert a.runs == 2
        assert [key for key, _ in await node.store.scan("processes")] == [str(a.pid)]


async def test_a_restart_keeps_capabilities_rule_and_identity():
    """C-076."""
    async with kernel_node() as node:
        closed = await node.puppet("closed", public=False)
        a = await node.puppet("a", on_exit=OnExit.restart(), network=True, may_message=[closed])
        await closed.do(lambda calls: calls.create_capability(a.pid, '"x"'))
        before = await a.do(lambda calls: calls.our_capabilities())
        await a.crash()
        assert a.runs == 2
        assert await a.do(lambda calls: calls.our_capabilities()) == before
        assert await a.do(lambda calls: calls.get_on_exit()) == OnExit.restart()
        await a.send(closed, b"still allowed")
        assert (await closed.receive()).source == a.address


async def test_a_restarted_process_begins_with_nothing_of_its_former_run():
    async with kernel_node() as node:
        a, b = await node.puppet("a", on_exit=OnExit.restart()), await node.puppet("b")
        await b.send(a, b"read", expects=60)
        await b.send(a, b"unread", expects=60)
        await a.receive()
        await a.do(lambda calls: calls.attach_capability(Capability(a.address, '"x"')))
        await a.crash()
        assert await a.unread() == []
        assert await a.payload() is None
        assert [(e.message.ipc, e.definite) for e in await b.unread()] == [
            (b"unread", True),
            (b"read", False),
        ]
        await a.send(b)
        assert (await b.receive()).capabilities == ()


async def test_code_that_does_not_load_backs_off_too():
    async with kernel_node() as node:
        loads: list[float] = []

        class Broken:
            def fresh(self):
                loads.append(trio.current_time())
                raise ImportError("no such module")

        process = node.create("a", on_exit=OnExit.restart())
        process.program = Broken()
        node.kernel.lifecycle.start(process)
        await trio.sleep(7.5)
        assert loads == [0, 0, 1, 3, 7]
        assert "no such module" in (node.kernel.standings()[0].last_error or "")
        assert Address(NODE, process.pid) == process.address
