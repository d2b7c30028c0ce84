"""Boots one node on the devices it is given, real or simulated, and installs packages into it.

The same code runs in production and in a simulated world: nothing here takes a clock, a file or a socket of its own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

import attrs
import trio

from kernel import commands
from kernel.address import PackageId, ProcessId
from kernel.admission import STATE, VFS
from kernel.capability import KERNEL, Capability
from kernel.errors import ProgramError
from kernel.events import Observer
from kernel.exits import ExitCause
from kernel.kernel import Kernel, Ports
from kernel.lifecycle import NewProcess
from kernel.ports import Chance, Console, Keys, Program, Store
from kernel.process import Process, ProcessState
from runtime.loader import DiskPrograms
from runtime.packages import plan_checked, put_files, recover_all
from sys_processes.app_store.core import METADATA, InstallPlan, Surroundings
from sys_processes.app_store.fields import PackageError
from sys_processes.devices import Disk, Listener
from sys_processes.homepage import process as homepage
from sys_processes.homepage.protocol import HOMEPAGE
from sys_processes.http_server import process as http_server
from sys_processes.http_server.door import Door
from sys_processes.http_server.protocol import HTTP_SERVER
from sys_processes.http_server.settings import HttpSettings
from sys_processes.http_server.tokens import BearerToken, LoginTokens
from sys_processes.state import process as state
from sys_processes.timer import process as timer
from sys_processes.timer.protocol import TIMER
from sys_processes.vfs import process as vfs

READY_SECONDS = 5.0
DRAIN_SECONDS = 1.0


@attrs.frozen
class Devices:
    """The outside world of one node. `wall_clock` gives seconds since the epoch."""

    chance: Chance
    store: Store
    disk: Disk
    listener: Listener
    console: Console
    wall_clock: Callable[[], float]


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
        self, name: str, devices: Devices, secrets: NodeSecrets, http: HttpSettings, client: bytes
    ) -> None:
        self.name = name
        self._devices = devices
        self.given: list[PackageId | PackageError] = []
        """The packages of the boot, in the order in which they were given; what speaks against one instead of it."""
        self._awaited: list[Process] = []
        self._stopped = False
        self._programs = DiskPrograms(devices.disk)
        self.kernel = Kernel(
            name,
            Ports(
                chance=devices.chance,
                store=devices.store,
                keys=secrets.keys,
                programs=self._programs,
                console=devices.console,
                wall_clock=devices.wall_clock,
            ),
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
        kernel.add_module(VFS, vfs.make(devices.disk), public=True)
        kernel.add_module(TIMER, timer.make(), public=True)
        kernel.add_module(HTTP_SERVER, http_server.make(self._door), public=True)
        kernel.add_module(HOMEPAGE, homepage.make(), public=True)
        await recover_all(devices.disk)
        plans = await self._install_all(packages)
        await self._restore(plans)
        for plan in plans:
            self._grant_all(plan)

    async def start(self) -> None:
        """Run every process; returns when those of the given packages wait for a message, at most `READY_SECONDS`
        later. May be cancelled: they run all the same.
        """
        receiving = self.kernel.note_first_receive(self._awaited)
        self.kernel.start_all()
        with trio.move_on_after(READY_SECONDS):
            for event in receiving:
                await event.wait()
        for process, event in zip(self._awaited, receiving, strict=True):
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

    # -- packages

    async def _install_all(self, packages: Sequence[PackageFiles]) -> list[InstallPlan]:
        """Those of the boot, checked before the first is touched. Raises `PackageRefused`."""
        plans = self._plan_all(packages)
        installed: list[InstallPlan] = []
        for number, plan in enumerate(plans):
            try:
                if isinstance(plan, InstallPlan):
                    await self._put(plan)
                    self._awaited += self._create_all(plan, await self._prepare(plan))
                    installed.append(plan)
            except PackageError as error:
                plans[number] = error
        self.given = [plan.package if isinstance(plan, InstallPlan) else plan for plan in plans]
        refused = [plan for plan in plans if isinstance(plan, PackageError)]
        if refused and not installed:
            raise PackageRefused(refused)
        return installed

    def _plan_all(self, packages: Sequence[PackageFiles]) -> list[InstallPlan | PackageError]:
        """The plan of each, or what speaks against it."""
        plans: list[InstallPlan | PackageError] = []
        known: dict[PackageId, None] = {}
        for files in packages:
            try:
                plan = self._plan(files)
            except PackageError as error:
                plans.append(error)
                continue
            if plan.package in known:
                problem = f"is that of {plan.package}, which is given twice"
                plans.append(PackageError(METADATA[0], "$", problem, "give it once"))
                continue
            known[plan.package] = None
            plans.append(plan)
        return plans

    def _plan(self, files: PackageFiles) -> InstallPlan:
        """Check everything. Raises `PackageError`."""
        around = Surroundings(self.name, list(self.kernel.router.processes), approved=True)
        plan = plan_checked(files, around, self._programs)
        for warning in plan.warnings:
            self.kernel.router.print(0, self.kernel.router.kernel_address, str(warning))
        return plan

    async def _put(self, plan: InstallPlan) -> None:
        await put_files(self._devices.disk, plan)
        self._programs.forget(plan.package)

    async def _prepare(self, plan: InstallPlan) -> list[Program]:
        """The code of each process. Raises `PackageError`: a module that was imported once may fail the next time."""
        try:
            return [await self._programs.prepare(planned.id, planned.code) for planned in plan.processes]
        except ProgramError as error:
            raise PackageError(error.file, "$", error.problem, error.fix) from error

    def _create_all(self, plan: InstallPlan, programs: Sequence[Program]) -> list[Process]:
        """Its processes, ready to be started."""
        created = []
        for planned, program in zip(plan.processes, programs, strict=True):
            new = NewProcess(
                planned.id,
                program,
                planned.code,
                planned.on_exit,
                planned.public,
                planned.capabilities,
                planned.mailbox,
            )
            created.append(self.kernel.lifecycle.create(new))
        return created

    def _grant_all(self, plan: InstallPlan) -> None:
        for planned in plan.processes:
            issuer = self.kernel.router.find(planned.id)
            if issuer is not None:
                for to, params in planned.grants:
                    self._grant(issuer, to, params)

    def _grant(self, issuer: Process, to: ProcessId, params: str) -> None:
        receiver = self.kernel.router.find(to)
        if receiver is not None:
            self.kernel.grants.grant(receiver, Capability(issuer.address, params))

    async def install(self, files: PackageFiles) -> PackageId:
        """Into the running node, in place of an older version; states are kept. Raises `PackageError`, and then the
        old version goes on.
        """
        plan = self._plan(files)
        await self._put(plan)
        programs = await self._prepare(plan)
        await self.stop_package(plan.package)
        created = self._create_all(plan, programs)
        self._grant_all(plan)
        for process in created:
            self.kernel.lifecycle.start(process)
        await self.kernel.records.flush()
        return plan.package

    async def stop_package(self, package: PackageId) -> None:
        """End all its processes, without their on-exit rules; also those that they start meanwhile."""
        while left := [pid for pid in self.kernel.router.processes if pid.package_id == package]:
            for pid in left:
                await self.kernel.kill(pid)

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


@asynccontextmanager
async def open_node(
    name: str,
    devices: Devices,
    secrets: NodeSecrets,
    *,
    http: HttpSettings | None = None,
    client: bytes = b"",
    packages: Sequence[PackageFiles] = (),
    observer: Observer | None = None,
    start: bool = True,
) -> AsyncIterator[Node]:
    """A booted node; stopped and flushed at the end of the block, and gone at once if the block raises. Without
    `start`, starting it is left to the block. `client` is the browser client that every node serves.

    Raises `BadNodeName`, `PackageRefused`, `StoreFailed`, OSError.
    """
    node = Node(name, devices, secrets, http or HttpSettings(), client)
    node.kernel.router.observer = observer
    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(node.kernel.run)
            await node.boot(packages)
            if start:
                await node.start()
            yield node
            await node.stop()
            nursery.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        # A nursery wraps what fails in it; a boot fails for one reason.
        raise sole_error(group) from None
