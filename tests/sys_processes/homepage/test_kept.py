"""What the node's owner chose for the start page, over restarts of the node and on bad disks."""

from __future__ import annotations

from kernel.ports import Put
from runtime.sim.clients import HttpClient
from sys_processes.homepage.core import KEPT, Kept
from sys_processes.homepage.protocol import HOMEPAGE
from tests.support.sim_home import SimHome, SimNode, package
from tests.support.start_page import listed, post
from tests.support.web_node import settle

APPS = [
    package(
        "from userland.process_lib import await_message, homepage\n"
        "async def init(our):\n"
        f"    homepage.add_to_homepage({name!r}, path='/')\n"
        "    await await_message()\n",
        name=name,
    )
    for name in ("chat", "chess")
]


def logged(node: SimNode) -> str:
    return "\n".join(line.text for line in node.console.recent())


def with_state(raw: bytes) -> SimHome:
    home = SimHome()
    home.store.apply([Put("states", str(HOMEPAGE), raw)])
    return home.crash(keep=1)


async def test_favorites_and_order_are_there_after_a_crash_of_the_node() -> None:
    home = SimHome()
    async with home.booted(*APPS) as node:
        assert await listed(node) == [("chat", False), ("chess", False)]
        assert (await post(node, "/order", b'[["chess:chess:me",0],["chat:chat:me",1]]')).status == 200
        assert (await post(node, "/favorite", b'["chat:chat:me",true]')).status == 200
        await node.ask(str(HOMEPAGE), '{"SetStylesheet":"body{color:red}"}')
        home = home.crash()
    async with home.booted() as node:
        assert await listed(node) == [("chat", True), ("chess", False)]
        await post(node, "/favorite", b'["chat:chat:me",false]')
        assert await listed(node) == [("chess", False), ("chat", False)]
        page = await HttpClient(node.listener.connect()).ask("GET", "/nectar.css")
        assert page.body.endswith(b"body{color:red}")


async def test_a_state_that_cannot_be_read_is_set_aside_and_told() -> None:
    home = with_state(b'{"favorites":7}')
    async with home.booted(*APPS) as node:
        assert await listed(node) == [("chat", False), ("chess", False)]
        assert "the old ones are set aside: $.favorites" in logged(node)
        assert (await post(node, "/favorite", b'["chess:chess:me",true]')).status == 200
        kept = await home.store.read("states", str(HOMEPAGE))
        assert kept is not None
        assert KEPT.decode(kept) == Kept(("chess:chess:me",), {}, "", '{"favorites":7}')


async def test_what_the_disk_does_not_take_is_told_and_changes_nothing() -> None:
    home = SimHome()
    async with home.booted(*APPS) as node:
        home.store.broken = "disk full"
        reply = await post(node, "/favorite", b'["chess:chess:me",true]')
        assert (reply.status, b"disk full" in reply.body) == (500, True)
        for ipc in ('{"SetStylesheet":"body{}"}',):
            assert "NotKept" in await node.ask(str(HOMEPAGE), ipc)
        home.store.broken = None
        assert await listed(node) == [("chat", False), ("chess", False)]
        await post(node, "/favorite", b'["chess:chess:me",true]')
        home.store.broken = "disk full"
        assert "NotKept" in await node.ask(str(HOMEPAGE), '{"RemoveOther":"chess:chess:me"}')
        home.store.broken = None
        assert await listed(node) == [("chess", True), ("chat", False)]


async def test_what_could_not_be_read_for_a_bad_disk_is_not_written_over() -> None:
    old = KEPT.encode(Kept(("chess:chess:me",)))
    home = with_state(old)
    async with home.booted(*APPS) as node:
        assert await listed(node) == [("chess", True), ("chat", False)]
        home.store.broken = "unplugged"
        await node.node.kernel.kill(HOMEPAGE)
        await settle()
        assert "what was kept before cannot be read" in logged(node)
        home.store.broken = None
        reply = await post(node, "/favorite", b'["chat:chat:me",true]')
        assert (reply.status, b"restart the node" in reply.body) == (500, True)
        assert await home.store.read("states", str(HOMEPAGE)) == old
