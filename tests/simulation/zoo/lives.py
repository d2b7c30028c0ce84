"""Processes that come and go: timers, questions that nobody answers, children that crash, end and are killed."""

from __future__ import annotations

from itertools import count

from kernel.address import Address, ProcessId
from kernel.events import EventKind
from kernel.message import Reason, SendError
from kernel.process import ProcessState
from runtime.sim.sim_node import SimNode
from runtime.sim.trace import Entry, WorldKind
from runtime.sim.world import World
from tests.simulation.zoo.base import STORM_SECONDS, outlast, run_out
from tests.support.sim_home import package
from userland.process_lib import Request, Response, await_message, start_soon, timer

NODE = "a.nec"
LONGEST = 4_000
"""Milliseconds of a timer."""
CHILD_SECONDS = 10
"""Much more than all that a child is asked at once takes it."""
EARLY = 1e-6
"""Seconds by which two sums of the same times may differ."""
BACK_OFF = (0.0, 1.0, 2.0, 4.0, 8.0)
"""Seconds between the end of one that does not stay up and its next start, at least (C-077)."""

FALLING = """
from userland.process_lib import await_message

async def init(our):
    raise RuntimeError("I never stand")
"""
CHILD = """
from userland.process_lib import Response, SendError, await_message, sleep

async def init(our):
    while True:
        try:
            message = await await_message()
        except SendError:
            continue
        if message.ipc == b"fall":
            raise RuntimeError("as asked")
        if message.ipc == b"end":
            return
        if message.ipc == b"think":
            await sleep(0.3)
        if message.wants_response:
            Response().ipc(b"re " + message.ipc).send()
"""
CHILD_ID = "child:child:me"
FALLING_ID = ProcessId("falling", "falling", "me")
SAID = (b"hello", b"think", b"hello", b"think", b"fall", b"end")


class Lives:
    def __init__(self, w: World) -> None:
        self.w = w
        self.paused = -1.0
        """When the node last stood still, or went on, in virtual seconds."""
        self._numbers = count(1)

    # -- timers

    async def clockwork(self, our: Address) -> None:
        """Sets timers in bunches, and looks at when they ring."""
        self.due: dict[bytes, float] = {}
        start_soon(self._wind)
        while True:
            try:
                message = await await_message()
            except SendError:
                # After a pause both are due at once, the ring and the end of the patience.
                continue
            if message.context is not None:
                due = self.due.pop(message.context)
                if self.w.now < due - EARLY:
                    self.w.violate("timers ring", f"rang at {self.w.now:g} s, {due - self.w.now:g} s early")

    async def _wind(self) -> None:
        choices = self.w.choices
        while self.w.now < STORM_SECONDS:
            await self.w.sleep(choices.among("lives pace", 0.2, 3.0))
            for _ in range(1 + choices.choose("lives timers", 6)):
                milliseconds = 1 + choices.choose("lives ring", LONGEST)
                context = b"%d" % next(self._numbers)
                self.due[context] = self.w.now + milliseconds / 1000
                timer.set_timer(milliseconds, context)

    # -- questions

    async def silent(self, our: Address) -> None:
        """Hears everything and answers late, or never."""
        while True:
            try:
                message = await await_message()
            except SendError:
                continue
            if message.ipc == b"late":
                await self.w.sleep(1.5)
                Response().ipc(b"late").send()

    async def asker(self, our: Address) -> None:
        choices = self.w.choices
        while self.w.now < STORM_SECONDS:
            await self.w.sleep(choices.among("lives pace", 0.1, 2.0))
            what = (b"never", b"late")[choices.choose("lives answer", 2)]
            start_soon(self._ask, our, ("silent", "world", "sim"), what, 1 + choices.choose("lives wait", 3))
            for _ in range(1 + choices.choose("lives more", 3)):
                said = SAID[choices.choose("lives child", len(SAID))]
                start_soon(self._ask, our, ProcessId.from_str(CHILD_ID), said, CHILD_SECONDS)

    async def _ask(
        self, our: Address, process: ProcessId | tuple[str, str, str], ipc: bytes, seconds: int
    ) -> None:
        began = self.w.now
        try:
            await Request().target((our.node, process)).ipc(ipc).send_and_await_response(seconds)
        except SendError as error:
            if error.reason is Reason.deadline_passed and self.w.now < began + seconds - EARLY:
                self.w.violate("time to answer", f"{ipc!r} had {seconds} s, and was given up too early")
            if error.reason is Reason.deadline_passed and ipc in {b"fall", b"end"} and self.paused < began:
                self.w.violate("news of the dead", f"who asked for {ipc!r} was not told that it is over")

    def watch_pauses(self) -> None:
        def watch(entry: Entry) -> None:
            if entry.kind in {WorldKind.PAUSED, WorldKind.RESUMED}:
                self.paused = entry.at

        self.w.watch(watch)

    # -- restarts

    def watch_falls(self) -> None:
        """Whoever does not stay up is started less and less often, in each life of its node anew."""
        falls: list[float] = []

        def watch(entry: Entry) -> None:
            if entry.kind is WorldKind.CRASHED and entry.node == NODE:
                falls.clear()
            event = entry.event
            if event is None or event.subject != FALLING_ID:
                return
            if entry.kind is EventKind.STARTED and falls:
                least = BACK_OFF[min(len(falls), len(BACK_OFF)) - 1]
                if entry.at < falls[-1] + least - EARLY:
                    text = (
                        f"start {len(falls) + 1} came {entry.at - falls[-1]:g} s after a crash, not {least:g}"
                    )
                    self.w.violate("back-off", text)
            elif entry.kind is EventKind.EXITED:
                falls.append(entry.at)

        self.w.watch(watch)


async def lives(w: World) -> None:
    world = Lives(w)
    world.watch_falls()
    world.watch_pauses()
    apps = [package(FALLING, name="falling"), package(CHILD, name="child")]
    node = await w.node(NODE, [*apps, world.clockwork, world.silent, world.asker])
    await outlast(w)
    await run_out(w)
    assert not node.kernel.router.open, "requests are open that must have ended"
    _stands(node)


def _stands(node: SimNode) -> None:
    """What is restarted on exit is there, or waits for its next start."""
    for standing in node.processes():
        if standing.id.package == "child":
            assert standing.state in {ProcessState.RUNNING, ProcessState.WAITING}, standing
