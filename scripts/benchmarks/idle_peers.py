"""Many nodes, linked to one and silent.

`python -m scripts.benchmarks.idle_peers serve` is that one, whole: kernel, http_server and net:sys:nectar. It prints
its port. With `PEERS PORT KIND` it is all the others, or for KIND `tls` as many bare TLS WebSockets: it says `open`
when each has asked something and was answered. Given a line each asks once more, and one JSON line is printed.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import trio
from trio_websocket import open_websocket_url

from kernel.address import Address
from kernel.message import KernelMessage, Request
from runtime.chance import SystemChance
from runtime.keyfile import Identity
from runtime.links.direct import DirectLinks
from runtime.links.tls import client_context
from runtime.sim.chance import SeededChance
from scripts.benchmarks.bare_link import HOST, no_alpn
from scripts.benchmarks.link_node import ASKED, BENCH, BODY, TARGET, answer, record, run_node
from sys_processes.devices import Link
from sys_processes.net.core import Core
from sys_processes.net.effects import CloseLink, Deliver, Dial, Effect, GiveBack
from sys_processes.net.identity import make_record
from sys_processes.net.protocol import IdentityRecord
from sys_processes.net.table import Surroundings

MOST = 4096
AT_ONCE = 16
Ask = Callable[[], Awaitable[None]]


def peer(number: int) -> Identity:
    return Identity.fresh(f"peer-{number}.uq", SeededChance(number))


def peer_record(number: int) -> IdentityRecord:
    own = peer(number)
    return make_record(own.name, own.public_key, own.sign, address="127.0.0.1:1")


class Peer:
    """What a node is on its link: the core that decides, without a kernel around it."""

    def __init__(self, own: Identity, asked: IdentityRecord) -> None:
        chance = SystemChance()
        around = Surroundings({ASKED: asked}.get, own.sign, chance.bits, chance.secret)
        self._core = Core(own.name, own.public_key, around)
        self._name = own.name
        self._link: Link | None = None
        self._number = 0
        self._asked = 0
        self._answered = trio.Event()
        self._ready = trio.Event()

    async def connect(self, links: DirectLinks, nursery: trio.Nursery) -> None:
        (dial,) = self._core.send(self._request(), trio.current_time())
        assert isinstance(dial, Dial)
        self._number, self._link = dial.link, await links.dial(dial.record)
        self._perform(self._core.opened(self._number, self._link.proven_key, trio.current_time()))
        nursery.start_soon(self._read, self._link)
        nursery.start_soon(self._write, self._link)
        await self._answered.wait()

    async def ask(self) -> None:
        self._answered = trio.Event()
        self._perform(self._core.send(self._request(), trio.current_time()))
        await self._answered.wait()

    def _request(self) -> KernelMessage:
        self._asked += 1
        source = Address(self._name, BENCH)
        return KernelMessage(self._asked, source, TARGET, None, Request(False, 60, BODY))

    def _perform(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Deliver(_, _, envelope):
                    if (envelope.id, envelope.message.ipc) != (self._asked, BODY):
                        raise SystemExit(f"{self._name} was answered something else")
                    self._answered.set()
                case GiveBack() | CloseLink():
                    raise SystemExit(f"{self._name} lost its link: {effect!r}")
                case _:
                    self._ready.set()

    async def _read(self, link: Link) -> None:
        while data := await link.receive():
            self._perform(self._core.received(self._number, data, trio.current_time()))

    async def _write(self, link: Link) -> None:
        """Acknowledgements go at the next pass after they are due, for a core that is idle asks for no more."""
        while True:
            while data := self._core.output(self._number, trio.current_time()):
                await link.send(data)
            with trio.move_on_at(self._core.due):
                await self._ready.wait()
            self._ready = trio.Event()
            self._perform(self._core.tick(trio.current_time()))


async def link_all(count: int, port: int, nursery: trio.Nursery) -> list[Ask]:
    asked, room = record(ASKED, port), trio.CapacityLimiter(AT_ONCE)
    links = DirectLinks(peer(0).network_key, SystemChance())
    peers = [Peer(peer(number), asked) for number in range(count)]

    async def connect(one: Peer) -> None:
        async with room:
            await one.connect(links, nursery)

    async with trio.open_nursery() as connecting:
        for one in peers:
            connecting.start_soon(connect, one)
    return [one.ask for one in peers]


async def open_all(count: int, port: int, nursery: trio.Nursery) -> list[Ask]:
    room, asks = trio.CapacityLimiter(AT_ONCE), list[Ask]()
    context = no_alpn(client_context())

    async def hold(opened: trio.Event) -> None:
        async with open_websocket_url(f"wss://{HOST}:{port}/", ssl_context=context) as socket:

            async def ask() -> None:
                await socket.send_message(BODY)
                if await socket.get_message() != BODY:
                    raise SystemExit("a socket was answered something else")

            await ask()
            asks.append(ask)
            opened.set()
            await trio.sleep_forever()

    async def connect() -> None:
        async with room:
            opened = trio.Event()
            nursery.start_soon(hold, opened)
            await opened.wait()

    async with trio.open_nursery() as connecting:
        for _ in range(count):
            connecting.start_soon(connect)
    return asks


@contextlib.asynccontextmanager
async def connected(count: int, port: int, kind: str) -> AsyncIterator[list[Ask]]:
    async with trio.open_nursery() as nursery:
        yield await (open_all if kind == "tls" else link_all)(count, port, nursery)
        nursery.cancel_scope.cancel()


async def main(count: int, port: int, kind: str) -> None:
    async with connected(count, port, kind) as asks:
        await trio.sleep(1)
        print("open", flush=True)
        await trio.to_thread.run_sync(sys.stdin.readline)
        begin = time.perf_counter()
        async with trio.open_nursery() as nursery:
            for ask in asks:
                nursery.start_soon(ask)
        seconds = time.perf_counter() - begin
        print(json.dumps({"count": len(asks), "seconds": seconds}), flush=True)


async def serve() -> None:
    records = [peer_record(number) for number in range(MOST)]
    await run_node(ASKED, records, answer, lambda port: print(port, flush=True))


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        trio.run(serve)
    else:
        trio.run(main, int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
