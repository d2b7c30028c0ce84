"""Boots one node on the devices it is given, real or simulated, and stops it.

The same code runs in production and in a simulated world: nothing here takes a clock, a file or a socket of its own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

import attrs
import trio

from kernel import commands
from kernel.address import Address, PackageId, ProcessId
from kernel.admission import STATE, VFS
from kernel.capability import KERNEL, ROOT, Capability
from kernel.events import Event, Observer
from kernel.exits import ExitCause
from kernel.kernel import Kernel, Ports
from kernel.ports import Chance, Console, Init, Keys, Store
from kernel.process import ProcessState
from runtime.installer import Installer
from runtime.loader import DiskPrograms, GuardOf, unguarded
from runtime.packages import recover_all
from runtime.record.recorder import Recorder
from runtime.registered_keys import RegisteredKeys
from sys_processes.app_store import process as app_store
from sys_processes.app_store.core import InstallPlan
from sys_processes.app_store.fields import PackageError
from sys_processes.app_store.protocol import APP_STORE
from sys_processes.devices import (
    Databases,
    Dialer,
    Disk,
    Engine,
    LinkDoor,
    Links,
    Listener,
    OpenFiles,
    Registry,
    Workers,
)
from sys_processes.eth import process as eth
from sys_processes.eth.protocol import ETH
from sys_processes.fd_manager import process as fd_manager
from sys_processes.fd_manager.protocol import FD_MANAGER
from sys_processes.homepage import process as homepage
from sys_processes.homepage.protocol import HOMEPAGE
from sys_processes.http_client import process as http_client
from sys_processes.http_client.core import MOST_BODY
from sys_processes.http_client.protocol import HTTP_CLIENT
from sys_processes.http_server import process as http_server
from sys_processes.http_server.door import Door
from sys_processes.http_server.protocol import HTTP_SERVER
from sys_processes.http_server.settings import HttpSettings
from sys_processes.http_server.tokens import BearerToken, LoginTokens
from sys_processes.kv import process as kv
from sys_processes.kv.protocol import KV
from sys_processes.net import process as net
from sys_processes.net.name_updates import ToldNames
from sys_processes.net.protocol import NET, IdentityRecord
from sys_processes.net.table import NetLimits
from sys_processes.sqlite import process as sqlite
from sys_processes.sqlite.protocol import SQLITE
from sys_processes.state import process as state
from sys_processes.terminal import process as terminal
from sys_processes.terminal.protocol import TERMINAL
from sys_processes.timer import process as timer
from sys_processes.timer.protocol import TIMER
from sys_processes.vfs import process as vfs

READY_SECONDS = 5.0
DRAIN_SECONDS = 1.0


@attrs.frozen
class Devices:
    """The outside world of one node. `wall_clock` gives seconds since the epoch; `guard` is what packages see of the
    standard library. Without an `engine` there is no kv, without `databases` no sqlite, without a `dialer` no
    http_client, without `open_files` no fd_manager.
    """

    chance: Chance
    store: Store
    disk: Disk
    workers: Workers
    listener: Listener
    console: Console
    wall_clock: Callable[[], float]
    guard: GuardOf = unguarded
    dialer: Dialer | None = attrs.field(default=None, kw_only=True)
    most_fetched: int = attrs.field(default=MOST_BODY, kw_only=True)
    """Bytes of a body that comes through the `dialer`."""
    engine: Engine | None = attrs.field(default=None, kw_only=True)
    databases: Databases | None = attrs.field(default=None, kw_only=True)
    open_files: OpenFiles | None = attrs.field(default=None, kw_only=True)


@attrs.frozen
class Network:
    """Who the other nodes are, the way to them, and what they are told of this one. Those who come to the node's own
    listener are brought to the `door`. What an indexer tells goes to `told`, which is a part of the registry then.
    """

    links: Links
    registry: Registry
    own: IdentityRecord
    door: LinkDoor | None = None
    told: ToldNames | None = None
    passages: int = 0
    """Links between others that go through this node, at a time."""


@attrs.frozen
class NodeSecrets:
    """What only the owner and the node know. `check_password` takes its time and never blocks the node."""

    keys: Keys
    jwt_secret: bytes
    keyfile: bytes
    check_password: Callable[[str], Awaitable[bool]]
    rpc_token: str | None = None


PackageFiles = Mapping[str, bytes]


class PackageRefused(Exception):
    """None of the packages given to a boot can be installed; `errors` are in their order."""

    def __init__(self, errors: Sequence[PackageError]) -> None:
        super().__init__("; ".join(map(str, errors)))
        self.errors = tuple(errors)


class Node:
    """A running node. Made by `open_node`."""

    def __init__(
        self,
        name: str,
        devices: Devices,
        secrets: NodeSecrets,
        http: HttpSettings,
        client: bytes,
        network: Network | None,
        recorder: Recorder | None = None,
    ) -> None:
        self.name = name
        self._devices = devices
        self._network = network
        self._keys = secrets.keys if network is None else RegisteredKeys(name, secrets.keys, network.registry)
        self.given: list[PackageId | PackageError] = []
        """The packages of the boot, in the order in which they were given; what speaks against one instead of it."""
        self._stopped = False
        programs = DiskPrograms(devices.disk, devices.workers, devices.guard)
        ports = Ports(
            chance=devices.chance,
            store=devices.store,
            keys=self._keys,
            programs=programs,
            console=devices.console,
            wall_clock=devices.wall_clock,
        )
        self.kernel = Kernel(name, ports if recorder is None else recorder.ports(ports))
        self.packages = Installer(
            self.kernel,
            devices.disk,
            devices.store,
            devices.workers,
            programs,
            [kept for kept in (devices.engine, devices.databases) if kept is not None],
            trusting=http.rpc_open,
        )
        token = secrets.rpc_token
        self._door = Door(
            listener=devices.listener,
            settings=http,
            tokens=LoginTokens(name, secrets.jwt_secret),
            rpc_token=None if token is None else BearerToken(token),
            check_password=secrets.check_password,
            keyfile=secrets.keyfile,
            keys=secrets.keys,
            client=client,
            links=None if network is None else network.door,
        )

    @property
    def url(self) -> str:
        return self._devices.listener.url

    async def boot(self, packages: Sequence[PackageFiles]) -> None:
        """Make all processes: modules, then those of the given packages, then what was saved. `start` runs them.

        A package that cannot be installed is left out, see `given`. Raises `PackageRefused` when all are.
        """
        kernel, devices = self.kernel, self._devices
        kernel.add_module(KERNEL, commands.make(kernel), public=False)
        kernel.add_module(STATE, state.make(devices.store), public=False)
        kernel.add_module(VFS, vfs.make(devices.disk, devices.workers), public=True)
        kernel.add_module(TIMER, timer.make(), public=True)
        kernel.add_module(ETH, eth.make(), public=True)
        if devices.open_files is not None:
            kernel.add_module(FD_MANAGER, fd_manager.make(devices.open_files), public=False)
        if devices.dialer is not None:
            client = http_client.make(devices.dialer, devices.most_fetched)
            kernel.add_module(HTTP_CLIENT, client, public=False)
        if devices.engine is not None:
            kernel.add_module(KV, kv.make(devices.engine), public=True)
        if devices.databases is not None:
            kernel.add_module(SQLITE, sqlite.make(devices.databases), public=True)
        kernel.add_module(HTTP_SERVER, http_server.make(self._door), public=True)
        kernel.add_module(HOMEPAGE, homepage.make(), public=True)
        at_terminal = kernel.add_module(TERMINAL, terminal.make(), public=False)
        for module in (VFS, FD_MANAGER):
            kernel.grants.add(at_terminal, Capability(Address(self.name, module), ROOT))
        if self._network is not None:
            kernel.add_module(NET, self._carrier(self._network), public=False)
        store = app_store.make(self.packages, devices.workers)
        kernel.add_module(APP_STORE, store, public=False, limits=app_store.LIMITS)
        await recover_all(devices.disk)
        plans = await self._make_given(packages)
        given = [plan.package for plan in plans]
        plans += await self.packages.make_interrupted(given)
        await self._restore(plans)
        for plan in plans:
            self.packages.grant_all(plan)
        await self.packages.finish_interrupted(given)

    def _carrier(self, network: Network) -> Init:
        limits = NetLimits(passages=network.passages)
        return net.make(
            network.links, network.registry, self._keys, limits, own=network.own, told=network.told
        )

    async def _make_given(self, packages: Sequence[PackageFiles]) -> list[InstallPlan]:
        """The plans of those that can be installed. Raises `PackageRefused` when none can."""
        made = await self.packages.make_given(packages)
        self.given = [one if isinstance(one, PackageError) else one.package for one in made]
        refused = [one for one in made if isinstance(one, PackageError)]
        if refused and len(refused) == len(made):
            raise PackageRefused(refused)
        return [one for one in made if isinstance(one, InstallPlan)]

    async def start(self) -> None:
        """Run every process, those that were saved too; returns when they wait for a message, at most `READY_SECONDS`
        later. May be cancelled: they run all the same.
        """
        starting = self.kernel.starting()
        receiving = self.kernel.note_first_receive(starting)
        self.kernel.start_all()
        with trio.move_on_after(READY_SECONDS):
            for event in receiving:
                await event.wait()
        for process, event in zip(starting, receiving, strict=True):
            if not event.is_set():
                text = (
                    f"does not receive, {READY_SECONDS:g} s after its start: nobody waits for it any longer"
                )
                self.kernel.router.print(0, process.address, text)
            elif process.state is ProcessState.ENDED and process.cause is ExitCause.DONE:
                self.kernel.router.print(0, process.address, "ended: init returned")
        await self.kernel.records.flush()

    async def _restore(self, plans: Sequence[InstallPlan]) -> None:
        """What was saved runs again, except what a newly installed version of its package no longer has."""
        installed = [plan.package for plan in plans]
        restored = await self.kernel.restore()
        await self._give_back(installed)
        for process in restored:
            if process.pid.package_id in installed:
                await self.kernel.kill(process.pid)

    async def _give_back(self, installed: Sequence[PackageId]) -> None:
        """What packages had granted to the runtime's own processes; those newly `installed` grant anew."""
        router = self.kernel.router
        for pid, capabilities in await self.kernel.records.load_granted():
            receiver = router.find(pid)
            for capability in capabilities:
                issuer = router.find(capability.issuer.process)
                if receiver is None or issuer is None or issuer.pid.package_id in installed:
                    continue
                self.kernel.grants.grant(receiver, capability)

    # -- the end

    async def stop(self) -> list[ProcessId]:
        """Close the door, end every process, flush. Those that had to be abandoned. A second call does nothing."""
        if self._stopped:
            return self.kernel.lifecycle.abandoned
        self._stopped = True
        await self._devices.listener.aclose()
        with trio.move_on_after(DRAIN_SECONDS):
            await self._door.drained.wait()
        return await self.kernel.stop()


def sole_error(error: BaseException) -> BaseException:
    """The one error in nested groups of one, or the group that holds several."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def _all_of(observer: Observer | None, recorder: Recorder | None) -> Observer | None:
    if recorder is None or observer is None:
        return observer if recorder is None else recorder.observe
    first, second = observer, recorder.observe

    def observe(event: Event) -> None:
        first(event)
        second(event)

    return observe


@asynccontextmanager
async def open_node(
    name: str,
    devices: Devices,
    secrets: NodeSecrets,
    *,
    http: HttpSettings | None = None,
    client: bytes = b"",
    packages: Sequence[PackageFiles] = (),
    network: Network | None = None,
    observer: Observer | None = None,
    recorder: Recorder | None = None,
    start: bool = True,
) -> AsyncIterator[Node]:
    """A booted node; stopped and flushed at the end of the block, and gone at once if the block raises. Without
    `start`, starting it is left to the block. `client` is the browser client that every node serves. Without a
    `network`, what is sent to other nodes comes back. The `recorder` writes down the run from its first process on.

    Raises `BadNodeName`, `PackageRefused`, `StoreFailed`, OSError.
    """
    node = Node(name, devices, secrets, http or HttpSettings(), client, network, recorder)
    node.kernel.router.observer = _all_of(observer, recorder)
    if recorder is not None:
        recorder.attach(node.kernel)
    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(node.kernel.run)
            await node.boot(packages)
            if start:
                await node.start()
            yield node
            await node.stop()
            if recorder is not None:
                recorder.finish()
            nursery.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        # A nursery wraps what fails in it; a boot fails for one reason.
        raise sole_error(group) from None
