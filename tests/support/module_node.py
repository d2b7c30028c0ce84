"""A real kernel with a module or two and users that talk to them: for tests of modules of the runtime."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import attrs
import trio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from kernel.address import Address, ProcessId
from kernel.capability import Capability
from kernel.kernel import Kernel, Ports
from kernel.lifecycle import NewProcess
from kernel.message import KernelMessage, Message, OnExit, Payload, Request, Response
from kernel.ports import Init
from kernel.syscalls import current
from runtime.loader import DiskPrograms
from runtime.sim.chance import SeededChance
from runtime.sim.console import MemoryConsole
from runtime.sim.disk import MemoryDisk
from runtime.sim.store import MemoryStore
from runtime.sim.workers import InlineWorkers

NODE = "alice.uq"


class OneKey:
    """One real key, with which every node signs."""

    def __init__(self) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(b"one key of all tests".ljust(32))

    @property
    def public_key(self) -> bytes:
        return self._key.public_key().public_bytes_raw()

    def sign(self, data: bytes) -> bytes:
        return self._key.sign(data)

    def verify(self, node: str, data: bytes, signature: bytes) -> bool:
        return signature == self.sign(data)


@attrs.frozen
class _Given:
    init: Init

    def fresh(self) -> Init:
        return self.init


@attrs.define
class ModuleNode:
    kernel: Kernel
    console: MemoryConsole
    to_other_nodes: list[KernelMessage] = attrs.Factory(list)

    async def as_process(
        self,
        name: str,
        script: Callable[[], Awaitable[None]],
        capabilities: Sequence[Capability] = (),
    ) -> None:
        """Run the script as a process of that id and return when it has ended. Raises what it raises."""
        errors: list[BaseException] = []

        async def init(our: Address) -> None:
            try:
                await script()
            except Exception as error:  # noqa: BLE001 - raised again in the test
                errors.append(error)

        held = tuple(capabilities)
        new = NewProcess(ProcessId.from_str(name), _Given(init), "", OnExit.none(), capabilities=held)
        process = self.kernel.lifecycle.create(new)
        process.ended = trio.Event()
        self.kernel.lifecycle.start(process)
        await process.ended.wait()
        if errors:
            raise errors[0]

    async def from_another_node(self, module: str, request: Request) -> list[bytes]:
        """What the module sends back to a node elsewhere within ten seconds."""
        source = Address.from_str("bob.uq@evil:evil:bob.uq")
        target = Address(NODE, ProcessId(module, "sys", "nectar"))
        refusal = self.kernel.router.deliver_remote(KernelMessage(77, source, target, None, request))
        assert refusal is None
        await trio.sleep(10)
        answers = [m.message for m in self.to_other_nodes if isinstance(m.message, Response)]
        return [answer.ipc for answer in answers]


@asynccontextmanager
async def module_node(modules: dict[str, tuple[Init, bool]]) -> AsyncIterator[ModuleNode]:
    """`modules` by name, each with whether it is public."""
    console = MemoryConsole()
    ports = Ports(
        SeededChance(1),
        MemoryStore(),
        OneKey(),
        DiskPrograms(MemoryDisk(), InlineWorkers()),
        console,
        lambda: 1_700_000_000.0,
    )
    node = ModuleNode(Kernel(NODE, ports), console)

    async def net(our: Address) -> None:
        while True:
            message = await current().receive()
            node.to_other_nodes.append(message._envelope)

    async with trio.open_nursery() as nursery:
        await nursery.start(node.kernel.run)
        node.kernel.add_module(ProcessId("net", "sys", "nectar"), net, public=False)
        for name, (init, public) in modules.items():
            node.kernel.add_module(ProcessId(name, "sys", "nectar"), init, public=public)
        yield node
        await node.kernel.stop()
        nursery.cancel_scope.cancel()


def module(name: str) -> Address:
    return Address(NODE, ProcessId(name, "sys", "nectar"))


async def ask(name: str, ipc: bytes, payload: Payload | None = None, seconds: int = 60) -> Message:
    """From inside a process: the module's answer. Raises `SendError`."""
    return await current().send_and_await_response(module(name), Request(False, seconds, ipc), payload)


def holds_open() -> tuple[trio.Event, Callable[[], Awaitable[None]]]:
    """A device's pause that lasts until the event is set."""
    gate = trio.Event()

    async def pause() -> None:
        await gate.wait()

    return gate, pause
