"""The gateway and the worker of docs/nodes.md, in a simulated world, with browsers at the gateway."""

from __future__ import annotations

import trio
from wsproto.utilities import LocalProtocolError

from runtime.sim.clients import SocketEnded
from runtime.sim.faults import Faults
from runtime.sim.mover import NodeDown
from runtime.sim.nemeses import Crash, Cut, Partition
from runtime.sim.report import Verdict
from runtime.sim.run import run
from runtime.sim.sim_node import SimNode
from runtime.sim.web import Socket
from runtime.sim.world import World
from tests.support.docs import blocks
from tests.support.live_process import ROOT
from tests.support.worlds import passes

GATEWAY, WORKER, WORK = "gateway.dev", "worker.dev", "work:work:me"


def shown_package() -> dict[str, bytes]:
    """The files of the package `work` as the page has them."""
    page = (ROOT / "docs" / "nodes.md").read_text()
    files = {block.info: block.text.encode() for block in blocks(page) if block.info.startswith("work/")}
    return {path.removeprefix("work/"): text for path, text in files.items()}


async def both(w: World) -> tuple[SimNode, SimNode]:
    package = shown_package()
    return await w.node(GATEWAY, [package]), await w.node(WORKER, [package])


def test_a_worker_pushes_what_it_did_to_the_browsers_of_a_gateway() -> None:
    """C-136."""

    async def pushes(w: World) -> None:
        gateway, worker = await both(w)
        async with gateway.http().ws(WORK) as one, gateway.http().ws(WORK) as other:
            await one.send("hello")
            assert await one.receive() == "HELLO"
            await other.send("good")
            await other.send("morning")
            assert [await other.receive(), await other.receive()] == ["GOOD", "MORNING"]
            w.net.cut(GATEWAY, WORKER)
            await one.send("again")
            assert await one.receive() == "AGAIN"
        assert "not done" not in gateway.printed + worker.printed

    passes(pushes)


def test_while_its_worker_is_down_a_gateway_says_so_and_its_browsers_stay() -> None:
    async def stays(w: World) -> None:
        gateway, worker = await both(w)
        async with gateway.http().ws(WORK) as browser:
            worker.crash()
            await browser.send("lost")
            await w.until(lambda: "not done" in gateway.printed, timeout=10)
            await worker.restart()
            await w.sleep(5)
            await browser.send("back")
            assert await browser.receive() == "BACK"

    passes(stays)


async def many_browse(w: World) -> None:
    """Whoever gets anything gets the results of what he sent, in order, and none twice; some may be missing."""
    gateway, _ = await both(w)
    heard: list[list[str]] = []

    async def browse(number: int) -> None:
        """Until the gateway ends the socket."""
        words: list[str] = []
        heard.append(words)
        try:
            async with gateway.http().ws(WORK) as browser:
                w.start_soon(speak, browser, number)
                while True:
                    words.append(str(await browser.receive()))
        except (SocketEnded, NodeDown, OSError, trio.BrokenResourceError):
            return

    async def speak(browser: Socket, number: int) -> None:
        for turn in range(8):
            try:
                await browser.send(f"b{number} w{turn}")
            except (LocalProtocolError, trio.BrokenResourceError, trio.ClosedResourceError):
                return  # it is closed
            await w.sleep(w.choices.among("next", 0.5, 4.0))

    for number in range(4):
        w.start_soon(browse, number)
        await w.sleep(3)
    await w.sleep(30)
    await w.heal()
    await w.settle()
    for number, words in enumerate(heard):
        sent = [f"B{number} W{turn}" for turn in range(8)]
        assert words == [word for word in sent if word in words], f"browser {number} heard {words}"
    w.cover("all heard", any(len(words) == 8 for words in heard))
    w.cover("some lost", any(len(words) < 8 for words in heard))


def test_results_come_to_their_own_browser_in_order_and_once_through_crashes_of_both() -> None:
    faults = Faults.of(Crash(every=10, lasts=(0.5, 4)), Partition(every=10), Cut(every=3), seconds=40)
    reports = [run(many_browse, seed=seed, faults=faults) for seed in range(8)]
    for report in reports:
        assert report.verdict is Verdict.OK, report.violation or report.error
    for goal in ("all heard", "some lost"):
        assert any(report.cover[goal] for report in reports), goal
