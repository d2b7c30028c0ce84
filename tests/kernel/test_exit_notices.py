"""A process is told, once, of the end of those that it watches (docs/processes.md, "Death notices")."""

from __future__ import annotations

import pytest
import trio

from kernel.address import Address
from kernel.capability import KERNEL
from kernel.errors import BadCapability
from kernel.mailbox import Limits
from kernel.message import Message, OnExit
from kernel.process_exited import PROCESS_EXITED, EndedBy, ProcessExited
from tests.kernel.test_exits import crash, done, kill, overstay
from tests.support.kernel_node import NODE, KernelNode, Puppet, kernel_node, pid_of
from tests.support.law_node import law_node


async def watch(watcher: Puppet, target: Puppet) -> bool:
    return await watcher.do(lambda calls: calls.watch(target.pid))


def notice(message: Message | Exception) -> ProcessExited:
    assert isinstance(message, Message)
    assert message.source == Address(NODE, KERNEL)
    assert message.expects_response is None
    found = ProcessExited.from_message(message)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("end", "cause"),
    [
        (crash, EndedBy.Crash),
        (kill, EndedBy.Killed),
        (done, EndedBy.Done),
        (overstay, EndedBy.Timeout),
    ],
)
@pytest.mark.parametrize("restarts", [False, True])
async def test_it_is_told_once_how_a_run_ended_behind_all_that_was_sent_in_it(end, cause, restarts):
    async with law_node() as (node, watched):
        a = await node.puppet("a", on_exit=OnExit.restart() if restarts else None)
        watcher = await node.puppet("watcher")
        assert await watch(watcher, a)
        assert await watch(watcher, a), "once more changes nothing"
        await a.send(watcher, b"last words")
        await end(node, a)
        words, told = await watcher.unread()
        assert isinstance(words, Message)
        assert words.ipc == b"last words"
        found = notice(told)
        assert (found.id, found.cause, found.restarts) == (a.pid, cause, restarts and end is not kill)
        assert (found.error or "").startswith("ValueError: as told at " if end is crash else "")
        assert (found.error is None) is (end is not crash)
        if found.restarts:
            await trio.sleep(5)
            await a.crash()
            assert await watcher.unread() == [], "of the next run it hears when it asks again"
        assert watched.verdict() is None


async def test_who_is_not_there_is_not_watched_and_nothing_comes():
    async with kernel_node() as node:
        watcher = await node.puppet("watcher")
        assert not await watcher.do(lambda calls: calls.watch(pid_of("a")))
        a = await node.puppet("a")
        await node.kill(a)
        assert await watcher.unread() == []


async def test_who_does_not_want_to_know_any_more_is_not_told():
    async with kernel_node() as node:
        watcher, a, b = await node.puppets("watcher", "a", "b")
        for target in (a, b):
            await watch(watcher, target)
        for _ in range(2):
            await watcher.do(lambda calls: calls.unwatch(a.pid))
        await watcher.do(lambda calls: calls.unwatch(pid_of("nobody")))
        await watcher.do(lambda calls: calls.unwatch(watcher.pid))
        await node.kill(a)
        await node.kill(b)
        assert [notice(told).id for told in await watcher.unread()] == [b.pid]


async def test_only_whom_it_may_message_it_may_watch():
    async with kernel_node() as node:
        a = await node.puppet("a", public=False)
        stranger = await node.puppet("stranger")
        friend = await node.puppet("friend", may_message=[a])
        with pytest.raises(
            BadCapability, match=r'may not watch: .*add "a:test:test" to "request_capabilities"'
        ):
            await watch(stranger, a)
        with pytest.raises(ValueError, match="would watch itself"):
            await watch(friend, friend)
        assert await watch(friend, a)
        await node.kill(a)
        assert [notice(told).cause for told in await friend.unread()] == [EndedBy.Killed]
        assert await stranger.unread() == []


async def test_a_run_does_not_hear_what_the_one_before_it_asked_for():
    async with kernel_node() as node:
        watcher = await node.puppet("watcher", on_exit=OnExit.restart())
        a = await node.puppet("a")
        await watch(watcher, a)
        await watcher.crash()
        assert not node.kernel.router.processes[a.pid].watchers, "nothing of it is kept"
        await node.kill(a)
        assert await watcher.unread() == []


async def test_two_that_watch_each_other_may_end_together():
    async with kernel_node() as node:
        a, b = await node.puppets("a", "b")
        await watch(a, b)
        await watch(b, a)
        await node.kill(a)
        assert [notice(told).id for told in await b.unread()] == [a.pid]
        await node.kill(b)
        assert node.kernel.standings() == []


async def test_a_full_mailbox_takes_the_notice_all_the_same():
    async with kernel_node() as node:
        watcher = await node.puppet("watcher", limits=Limits(messages=1, bytes=100))
        a = await node.puppet("a")
        await watch(watcher, a)
        await a.send(watcher, b"x" * 100)
        await node.kill(a)
        _, told = await watcher.unread()
        assert notice(told).id == a.pid


async def test_at_a_stop_of_the_node_nobody_is_told():
    async with kernel_node() as node:
        watcher, a = await node.puppets("watcher", "a")
        await watch(watcher, a)
        before = len(node.events)
        await node.kernel.stop()
        assert not [e for e in node.events[before:] if e.subject == KERNEL]


async def test_a_module_that_watches_everybody_and_somebody_is_told_once():
    async with kernel_node() as node:
        module, a = await node.system("module"), await node.puppet("a")
        await module.do(lambda calls: calls.watch_exits(lambda pid: None))
        await watch(module, a)
        await node.kill(a)
        assert [notice(told).id for told in await module.unread()] == [a.pid]


async def forged(node: KernelNode, by: Puppet, reader: Puppet, ipc: bytes) -> ProcessExited | None:
    await by.send(reader, ipc)
    message = await reader.receive()
    return ProcessExited.from_message(message)


async def test_only_the_kernel_of_this_node_is_believed():
    async with kernel_node(commands=True) as node:
        a, b = await node.puppets("a", "b")
        ipc = PROCESS_EXITED.encode(ProcessExited(a.pid, EndedBy.Done))
        assert ipc == b'{"ProcessExited":{"id":"a:test:test","cause":"Done"}}'
        assert await forged(node, a, b, ipc) is None
        assert await forged(node, a, b, b"anything") is None
