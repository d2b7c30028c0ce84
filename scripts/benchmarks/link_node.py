"""Two nodes on this machine, linked directly: kernel, http_server and net:sys:nectar of each, on real sockets.

`python -m scripts.benchmarks.link_node serve` is the one that is asked; it prints its port.
`python -m scripts.benchmarks.link_node WORK N PORT` asks it, and prints one JSON line.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Awaitable, Callable

import trio

from kernel.address import Address, ProcessId
from kernel.capability import Capability
from kernel.errors import NoSuchFile
from kernel.kernel import Kernel, Ports
from kernel.lifecycle import NewProcess
from kernel.message import OnExit, Payload, Request, Response
from kernel.ports import Init, Program
from kernel.syscalls import current
from runtime.chance import SystemChance
from runtime.keyfile import Identity
from runtime.links.direct import DirectLinks
from runtime.listener import TcpListener
from runtime.registered_keys import RegisteredKeys
from runtime.sim.chance import SeededChance
from runtime.sim.console import MemoryConsole
from runtime.sim.registry import MemoryRegistry
from runtime.sim.store import MemoryStore
from sys_processes.http_server import process as http_server
from sys_processes.http_server.door import Door
from sys_processes.http_server.protocol import HTTP_SERVER
from sys_processes.http_server.settings import HttpSettings
from sys_processes.http_server.tokens import LoginTokens
from sys_processes.net import process as net
from sys_processes.net.identity import make_record
from sys_processes.net.protocol import NET, IdentityRecord

ASKING, ASKED = "asking.uq", "asked.uq"
BENCH = ProcessId("bench", "bench", "nectar")
BODY = bytes(range(64))
BULK = bytes(range(250)) * 41_900
"""As near to 10 MiB as a message between nodes may come."""
BATCH = 500


class _Program:
    def __init__(self, init: Init) -> None:
        self._init = init

    def fresh(self) -> Init:
        return self._init


class _NoPrograms:
    """`kernel.ports.Programs` of nodes that are given all they run."""

    def ready(self, process: ProcessId, path: str) -> Program | None:
        return None

    async def prepare(self, process: ProcessId, path: str, source: bytes | None = None) -> Program:
        raise NoSuchFile(path, "a node that is measured reads no files", "give it a program")


def identity(name: str) -> Identity:
    return Identity.fresh(name, SeededChance(len(name)))


def record(name: str, port: int) -> IdentityRecord:
    own = identity(name)
    return make_record(name, own.public_key, own.sign, address=f"127.0.0.1:{port}")


async def nobody(_password: str) -> bool:
    return False


async def run_node(name: str, others: list[IdentityRecord], init: Init, ready: Callable[[int], None]) -> None:
    """Until `init` ends."""
    own, registry = identity(name), MemoryRegistry()
    for other in others:
        registry.put(other)
    keys = RegisteredKeys(name, own, registry)
    chance = SystemChance()
    ports = Ports(chance, MemoryStore(), keys, _NoPrograms(), MemoryConsole(), time.time)
    kernel = Kernel(name, ports)
    listener = await TcpListener.open("127.0.0.1", 0)
    links = DirectLinks(own.network_key, chance)
    tokens = LoginTokens(name, chance.secret("tokens", 32))
    door = Door(listener, HttpSettings(), tokens, None, nobody, b"", keys, b"", links)
    done = trio.Event()

    async def until_done(our: Address) -> None:
        try:
            await init(our)
        finally:
            done.set()

    held = (Capability.network(name), Capability.messaging(Address(name, NET)))
    async with trio.open_nursery() as nursery:
        await nursery.start(kernel.run)
        kernel.add_module(HTTP_SERVER, http_server.make(door), public=True)
        kernel.add_module(NET, net.make(links, registry, keys), public=False)
        kernel.start_all()
        program = _Program(until_done)
        new = NewProcess(BENCH, program, "", OnExit.none(), public=True, capabilities=held)
        kernel.lifecycle.start(kernel.lifecycle.create(new))
        ready(listener.port)
        await done.wait()
        nursery.cancel_scope.cancel()


# -- the node that is asked


async def answer(_our: Address) -> None:
    """Requests are echoed; one with a payload is answered by its length; `count` asks how many came one way."""
    node, told = current(), 0
    while True:
        message = await node.receive()
        if not message.wants_response:
            told += message.ipc == BODY
            continue
        payload = message.payload()
        if message.ipc == b"count":
            node.send_response(Response(ipc=b"%d" % told), None)
            told = 0
        elif payload is not None:
            node.send_response(Response(ipc=b"%d" % len(payload.bytes)), None)
        else:
            node.send_response(Response(ipc=message.ipc), None)


# -- the node that asks

TARGET = Address(ASKED, BENCH)


async def ask(count: int) -> int:
    node, right = current(), 0
    for _ in range(count):
        reply = await node.send_and_await_response(TARGET, Request(False, 60, BODY), None)
        right += reply.ipc == BODY
    return right


async def tell(count: int) -> int:
    """In batches: the last of each is a question, so that no more are under way than a link takes."""
    node, right, told = current(), 0, Request(False, None, BODY)
    for _ in range(count // BATCH):
        for _ in range(BATCH):
            node.send_request(TARGET, told)
        reply = await node.send_and_await_response(TARGET, Request(False, 60, b"count"), None)
        right += int(reply.ipc)
    return right


async def bulk(count: int) -> int:
    node, right = current(), 0
    for _ in range(count):
        request = Request(False, 60, b"bulk")
        reply = await node.send_and_await_response(TARGET, request, Payload(None, BULK))
        right += int(reply.ipc) == len(BULK)
    return right


WORK: dict[str, Callable[[int], Awaitable[int]]] = {"ask": ask, "tell": tell, "bulk": bulk}


async def ask_all(work: str, count: int, port: int) -> None:
    async def init(_our: Address) -> None:
        warm = max(count // 10, 1)
        await WORK[work](warm if work != "tell" else BATCH)
        begin = time.perf_counter()
        right = await WORK[work](count)
        seconds = time.perf_counter() - begin
        if right != count:
            raise SystemExit(f"{work}: {right} of {count} came through as sent")
        print(json.dumps({"count": right, "seconds": seconds}))

    await run_node(ASKING, [record(ASKED, port)], init, lambda _port: None)


async def serve() -> None:
    await run_node(ASKED, [record(ASKING, 1)], answer, lambda port: print(port, flush=True))


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        trio.run(serve)
    else:
        trio.run(ask_all, sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
