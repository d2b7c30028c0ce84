"""The process `net:sys:nectar`: performs what the core decides, on links, clock and mailboxes (DESIGN section 6).

Its main task hears what is to be carried and what is asked; each link is a child task.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from math import inf
from typing import TypeVar

import trio

from kernel.address import Address
from kernel.message import Response, SendError
from kernel.ports import Init, Keys
from kernel.syscalls import current
from sys_processes.devices import KeyConflict, Link, LinkFailed, Links, Registry
from sys_processes.net.core import Core
from sys_processes.net.effects import CloseLink, Come, Deliver, Dial, Effect, GiveBack, Ready, Report
from sys_processes.net.lines import COUNT_SECONDS, Lines
from sys_processes.net.name_updates import ToldNames
from sys_processes.net.protocol import IdentityRecord
from sys_processes.net.requests import Desk
from sys_processes.net.router import Router
from sys_processes.net.table import NetLimits, Surroundings
from sys_processes.net.ways import Ways

T = TypeVar("T")

CLOSE_SECONDS = 2.0
"""For the last words on a link that is to be closed."""
ACCEPT_PAUSE = 0.1


class _Wire:
    """A link, or the dial of one, and the task that serves it."""

    def __init__(self) -> None:
        self.scope = trio.CancelScope()
        self.ready = trio.Event()
        self.is_open = False
        self.closing = False


class _Carrier:
    def __init__(
        self, our: Address, links: Links, registry: Registry, keys: Keys, limits: NetLimits,
        own: IdentityRecord | None, told: ToldNames | None,
    ) -> None:  # fmt: skip
        routers = () if own is None else own.routers
        node = current()
        around = Surroundings(registry.find, keys.sign, node.draw, node.secret)
        self._node = our.node
        self._links = links
        self._registry = registry
        self._core = core = Core(our.node, keys.public_key, around, limits, routers)
        self._ways = Ways(our.node, links, keys.sign)
        self._router = Router(core, self._perform, node.secret)
        self._desk = Desk(registry, keys, lambda: core.peers(trio.current_time()), own, told)
        self._wires: dict[int, _Wire] = {}
        self._alarm: trio.CancelScope | None = None
        self._lines = Lines()
        self._told: dict[KeyConflict, None] = {}

    async def run(self) -> None:
        node = current()
        node.start_soon(self._accept)
        node.start_soon(self._accept_plain)
        node.start_soon(self._keep_time)
        node.start_soon(self._watch_registry)
        try:
            self._perform(self._core.start(trio.current_time()))
            await self._receive()
        finally:
            self._perform(self._core.stop())

    # -- what processes send

    async def _receive(self) -> None:
        node = current()
        while True:
            try:
                message = await node.receive()
            except SendError as error:
                node.print_to_terminal(2, f"came back: {error}")
                continue
            if message.target.node != self._node:
                self._perform(self._core.send(message.envelope(), trio.current_time()))
            elif message.is_request():
                reply = self._desk.reply(message)
                if reply.printed is not None and message.is_local():
                    node.print_to_terminal(0, reply.printed)
                elif reply.printed is not None:
                    self._print(message.source.node, 0, reply.printed)
                if message.wants_response:
                    node.send_response(Response(ipc=reply.ipc), reply.payload)

    # -- what the core wants

    def _perform(self, effects: list[Effect]) -> None:
        self._set_alarm()
        if not effects:
            return
        node = current()
        then: list[Effect] = []
        for effect in effects:
            match effect:
                case Deliver(_, _, envelope):
                    refusal = node.deliver_remote(envelope)
                    if refusal is not None:
                        then += self._core.not_taken(effect, refusal)
                case Ready(number):
                    self._wires[number].ready.set()
                case GiveBack(envelope, refusal, definite):
                    node.give_back(envelope, refusal, definite=definite)
                case Dial() | Come():
                    self._go(effect)
                case CloseLink(number):
                    self._close(self._wires[number])
                case Report(about, verbosity, text):
                    self._print(about, verbosity, text)
        self._perform(then)

    def _print(self, about: str, verbosity: int, text: str) -> None:
        """What others are the cause of, in bounds."""
        node = current()
        if self._lines.admit(about, trio.current_time()):
            node.print_to_terminal(verbosity, text)
        elif self._lines.left_out(about) == 1:
            node.start_soon(self._tell_left_out, about, verbosity)

    async def _tell_left_out(self, about: str, verbosity: int) -> None:
        await trio.sleep(COUNT_SECONDS)
        current().print_to_terminal(verbosity, self._lines.summary(about))

    def _set_alarm(self) -> None:
        if self._alarm is not None and self._core.due < self._alarm.deadline:
            self._alarm.deadline = self._core.due

    @staticmethod
    def _close(wire: _Wire) -> None:
        wire.closing = True
        wire.ready.set()
        wire.scope.deadline = trio.current_time() + CLOSE_SECONDS if wire.is_open else -inf

    # -- links

    def _go(self, effect: Dial | Come) -> None:
        wire = self._wires[effect.link] = _Wire()
        if isinstance(effect, Dial):
            current().start_soon(self._dial, effect.link, wire, effect)
        else:
            current().start_soon(self._come, effect.link, wire, effect)

    async def _dial(self, number: int, wire: _Wire, wanted: Dial) -> None:
        link: Link | None = None
        with wire.scope:
            try:
                link = await self._ways.dial(wanted)
            except LinkFailed as error:
                self._perform(self._core.dial_failed(number, str(error), trio.current_time()))
        if link is None:
            self._forget(number, "the dial was given up")
            return
        self._perform(self._core.opened(number, link.proven_key, trio.current_time()))
        await self._serve(number, wire, link)

    async def _come(self, number: int, wire: _Wire, wanted: Come) -> None:
        link: Link | None = None
        why = "who waited was left there"
        with wire.scope:
            try:
                link = await self._ways.come(wanted)
            except LinkFailed as error:
                why = str(error)
        if link is None:
            self._forget(number, why)
        else:
            await self._serve(number, wire, link)

    async def _accept_plain(self) -> None:
        """Those who come with a preface."""
        while (channel := await self._next(self._links.accept_plain)) is not None:
            current().start_soon(self._router.serve, channel)

    async def _next(self, accept: Callable[[], Awaitable[T]]) -> T | None:
        """None once the links are closed."""
        node = current()
        while True:
            try:
                return await accept()
            except trio.ClosedResourceError:
                return None
            except OSError as error:
                node.print_to_terminal(0, f"cannot accept a link: {error}")
                await node.sleep(ACCEPT_PAUSE)

    async def _accept(self) -> None:
        node = current()
        while (link := await self._next(self._links.accept)) is not None:
            number, effects = self._core.accept(trio.current_time())
            wire = self._wires[number] = _Wire()
            self._perform(effects)
            node.start_soon(self._serve, number, wire, link)

    async def _serve(self, number: int, wire: _Wire, link: Link) -> None:
        """Read and write until either ends."""
        wire.is_open = True
        wire.scope = trio.CancelScope(deadline=trio.current_time() + CLOSE_SECONDS if wire.closing else inf)
        why = "closed"
        try:
            with wire.scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._write, number, wire, link, nursery.cancel_scope)
                    why = await self._read(number, link)
                    nursery.cancel_scope.cancel()
            # At once: what waits for that node need not wait for the goodbye.
            self._forget(number, why)
        finally:
            with trio.move_on_after(CLOSE_SECONDS):
                await link.aclose()

    def _forget(self, number: int, why: str) -> None:
        del self._wires[number]
        self._perform(self._core.lost(number, why, trio.current_time()))

    async def _read(self, number: int, link: Link) -> str:
        """Why it ended."""
        while True:
            try:
                data = await link.receive()
            except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
                return f"the link was cut: {error}"
            if not data:
                return "the other side closed the link"
            self._perform(self._core.received(number, data, trio.current_time()))

    async def _write(self, number: int, wire: _Wire, link: Link, whole: trio.CancelScope) -> None:
        """What the core has; then, if the link is to be closed, end it. The reader hears of a broken link by itself."""
        core = self._core
        while True:
            data = core.output(number, trio.current_time())
            if not data and wire.closing:
                whole.cancel()
                return
            if not data:
                await wire.ready.wait()
                wire.ready = trio.Event()
                continue
            try:
                await link.send(data)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return
            core.wrote(number)

    # -- time, and who is known

    async def _keep_time(self) -> None:
        while True:
            with trio.CancelScope(deadline=self._core.due) as self._alarm:
                await trio.sleep_forever()
            self._perform(self._core.tick(trio.current_time()))
            await trio.lowlevel.checkpoint()

    async def _watch_registry(self) -> None:
        while True:
            await self._registry.wait_change()
            conflicts = dict.fromkeys(self._registry.conflicts())
            for conflict in conflicts:
                if conflict not in self._told:
                    current().print_to_terminal(0, _warning(conflict, self._node))
            # One that is over, and comes again, is told again.
            self._told = conflicts
            self._perform(self._core.registry_changed(trio.current_time()))


def _warning(conflict: KeyConflict, our: str) -> str:
    if conflict.name == our:
        return (
            f"another node called {our} is there already, with the key 0x{conflict.kept.hex()} ({conflict.where}): "
            f"others find that one"
        )
    return (
        f"{conflict.where} shows the key 0x{conflict.refused.hex()} for {conflict.name}, whose key is "
        f"0x{conflict.kept.hex()}: refused. If {conflict.name} has a new key, remove the old one first"
    )


def make(
    links: Links,
    registry: Registry,
    keys: Keys,
    limits: NetLimits | None = None,
    *,
    own: IdentityRecord | None = None,
    told: ToldNames | None = None,
) -> Init:
    """The `init` of the process. A restart of it begins without links, and with new sessions. `own` is what is
    answered when somebody asks for this node; links with its routers are kept. What an
    indexer tells goes to `told`, which the registry then knows.
    """

    async def init(our: Address) -> None:
        await _Carrier(our, links, registry, keys, limits or NetLimits(), own, told).run()

    return init
