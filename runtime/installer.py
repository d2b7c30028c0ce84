"""Puts packages into a node, running or still booting, and takes them out: what boot, reload and app_store share.

One at a time, in the order asked. Whoever is cut off on the way leaves either version whole on the disk.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Protocol

import attrs
import trio

from kernel.address import PackageId, ProcessId
from kernel.capability import Capability
from kernel.errors import ProgramError
from kernel.kernel import Kernel
from kernel.lifecycle import NewProcess
from kernel.ports import Delete, Program, Store
from kernel.process import Process
from runtime.approvals import Approvals
from runtime.loader import DiskPrograms
from runtime.package_scripts import create_script, planned_script
from runtime.packages import (
    check_code,
    compile_plan,
    exists,
    installed_packages,
    put_files,
    read_manifest,
    read_plan_files,
    remove_files,
)
from runtime.unfinished import Removing, Starting, Unfinished
from sys_processes.app_store.core import (
    MANIFEST,
    METADATA,
    InstallPlan,
    Surroundings,
    check_approved,
    plan_install,
    unapproved,
)
from sys_processes.app_store.fields import PackageError
from sys_processes.app_store.manifest import ManifestEntry, parse_manifest, parse_metadata
from sys_processes.app_store.protocol import AskedRight
from sys_processes.devices import DatabaseName, Disk, EngineFailed, NoDatabase, PackageStanding, Workers
from sys_processes.state.process import TABLE as STATES

_Claim = tuple[ProcessId, ProcessId, str]
"""Who holds it, and the right: its issuer and params."""


class PackageDatabases(Protocol):
    """What `sys_processes.devices.Engine` and `Databases` have in common."""

    async def names(self, package: PackageId) -> list[DatabaseName]: ...

    async def remove(self, name: DatabaseName) -> None: ...


class Installer:
    """`sys_processes.devices.Packages` of one node. `programs` are those that its kernel runs. With `trusting`,
    whatever is put here is approved by that, but for control over the node.
    """

    def __init__(
        self,
        kernel: Kernel,
        disk: Disk,
        store: Store,
        workers: Workers,
        programs: DiskPrograms,
        databases: Sequence[PackageDatabases] = (),
        *,
        trusting: bool = False,
    ) -> None:
        self._kernel = kernel
        self._disk = disk
        self._store = store
        self._workers = workers
        self._programs = programs
        self._databases = databases
        self._unfinished = Unfinished(store)
        self._approvals = Approvals(store)
        self._trusting = trusting
        self._turn = trio.Lock()

    # -- a boot

    async def make_given(self, packages: Sequence[Mapping[str, bytes]]) -> list[InstallPlan | PackageError]:
        """Make the processes of each, in order, or say what speaks against it; all are checked before the first is
        touched.

        `grant_all` is for when everybody is there. Raises OSError.
        """
        made: list[InstallPlan | PackageError] = []
        async with self._turn:
            for plan in await self._plan_all(packages):
                if isinstance(plan, PackageError):
                    made.append(plan)
                    continue
                try:
                    await self._approvals.add(plan.package, plan.rights)
                    await self._put(plan)
                    self._create_all(plan, await self._prepare(plan))
                    made.append(plan)
                except PackageError as error:
                    made.append(error)
        return made

    async def _plan_all(self, packages: Sequence[Mapping[str, bytes]]) -> list[InstallPlan | PackageError]:
        plans: list[InstallPlan | PackageError] = []
        known: dict[str, None] = {}
        for files in packages:
            try:
                plan = await self._plan(files, approved=True)
            except PackageError as error:
                plans.append(error)
                continue
            folder = str(plan.package).lower()
            if folder in known:
                problem = f"is that of {plan.package}, which is given twice"
                plans.append(PackageError(METADATA[0], "$", problem, "give it once"))
                continue
            known[folder] = None
            plans.append(plan)
        return plans

    async def make_interrupted(self, given: Sequence[PackageId]) -> list[InstallPlan]:
        """Make what was being started when the node ended, but for those `given` to this boot.

        Raises `StoreFailed`.
        """
        made: list[InstallPlan] = []
        for package, work in (await self._unfinished.load()).items():
            if package in given or not isinstance(work, Starting):
                continue
            try:
                plan = await self._plan_of_drive(package, approved=work.approved)
                self._create_all(plan, await self._prepare(plan))
                made.append(plan)
            except (PackageError, OSError) as error:
                self._print(f"{package} was being installed when the node ended, and cannot be: {error}")
        return made

    async def finish_interrupted(self, given: Sequence[PackageId]) -> None:
        """Once what was saved is there again. Raises `StoreFailed`, OSError."""
        for package, work in (await self._unfinished.load()).items():
            if isinstance(work, Starting):
                self._give_back(await self._claims_on(package, lost=True))
            elif package not in given:
                await self._remove(package)
            self._unfinished.end(package)

    # -- a running node

    async def install_files(self, files: Mapping[str, bytes]) -> PackageId:
        """In place of an older version; states are kept, and naming it here approves what it asks for.

        Raises `PackageError`, and then the old version goes on; `KernelError`, `StoreFailed`, OSError.
        """
        async with self._turn:
            plan = await self._plan(files, approved=True)
            await self._approvals.add(plan.package, plan.rights)
            await self._put(plan)
            await self._replace(plan, approved=True)
        return plan.package

    async def put(
        self, package: PackageId, files: Mapping[str, bytes], archive: bytes, *, approve: bool
    ) -> Sequence[str]:
        async with self._turn:
            approved = approve or await self._is_approved(
                plan_install(files, self._around(approved=True), package)
            )
            plan = await self._plan(files, approved=approved, claimed=package)
            if not (approved or self._trusting):
                check_approved(plan, await self._approvals.of(package))
            name = f"{package.package}.zip"
            if any(path.startswith(f"{name}/") for path in plan.files):
                problem = "is a folder, and the node keeps the package's zip under that name"
                raise PackageError(f"pkg/{name}", "$", problem, "rename it")
            await self._put(attrs.evolve(plan, files={**plan.files, name: archive}))
            await self._approvals.add(package, plan.rights)
            # A removal that failed half-way must not be finished at the expense of these files.
            self._unfinished.end(package)
            await self._kernel.records.flush()
        return [str(warning) for warning in plan.warnings]

    async def install(self, package: PackageId) -> None:
        async with self._turn:
            plan = await self._plan_of_drive(package, approved=True)
            if not (approved := await self._is_approved(plan)):
                plan = await self._plan_of_drive(package, approved=False)
                if not self._trusting:
                    check_approved(plan, await self._approvals.of(package))
            await self._replace(plan, approved=approved)

    async def start_script(self, script: ProcessId, by: ProcessId) -> ProcessId:
        package = script.package_id
        async with self._turn:
            plan = await self._plan_of_drive(package, approved=True)
            planned = planned_script(plan, script, await self._approvals.of(package))
            process = await create_script(self._kernel, self._programs, planned, by)
            for to, params in planned.grants:
                self._grant(process.pid, to, params)
            self._kernel.lifecycle.start(process)
        return process.pid

    async def approved(self, package: PackageId) -> tuple[Sequence[AskedRight], bool]:
        return await self._approvals.of(package), not self._trusting

    async def _is_approved(self, plan: InstallPlan) -> bool:
        return not unapproved(plan.rights, await self._approvals.of(plan.package))

    async def stop_package(self, package: PackageId) -> None:
        """End all its processes, without their on-exit rules; also those that they start meanwhile."""
        async with self._turn:
            await self._stop(package)

    async def remove(self, package: PackageId) -> Sequence[ProcessId]:
        async with self._turn:
            there = await exists(self._disk, str(package)) or package in self._unfinished.begun
            if not there and not self._processes_of(package):
                raise _not_installed(package)
            await self._unfinished.begin(package, Removing())
            return await self._finish_removal(package)

    async def resume(self) -> Sequence[ProcessId]:
        removed: list[ProcessId] = []
        async with self._turn:
            for package, work in list(self._unfinished.begun.items()):
                if isinstance(work, Removing):
                    removed += await self._finish_removal(package)
                    continue
                try:
                    plan = await self._plan_of_drive(package, approved=work.approved)
                    await self._replace(plan, approved=work.approved)
                except PackageError as error:
                    self._unfinished.end(package)
                    self._print(f"the install of {package} was cut off, and cannot be finished: {error}")
        return removed

    async def _finish_removal(self, package: PackageId) -> Sequence[ProcessId]:
        """The processes that it had, and those that its manifest names."""
        processes = dict.fromkeys([*self._processes_of(package), *await self._named_by(package)])
        await self._remove(package)
        self._unfinished.end(package)
        await self._kernel.records.flush()
        return list(processes)

    async def standing(self) -> Sequence[PackageStanding]:
        found = await installed_packages(self._disk)
        return [
            PackageStanding(package, _version(metadata), tuple(self._processes_of(package)))
            for package, metadata in found
        ]

    async def _replace(self, plan: InstallPlan, *, approved: bool) -> None:
        """The processes of the plan for those that run: everything that can fail comes before the first one ends."""
        programs = await self._prepare(plan)
        claims = await self._claims_on(plan.package, lost=plan.package in self._unfinished.begun)
        await self._unfinished.begin(plan.package, Starting(approved))
        await self._stop(plan.package)
        created = self._create_all(plan, programs)
        self.grant_all(plan)
        self._give_back(claims)
        for process in created:
            self._kernel.lifecycle.start(process)
        self._unfinished.end(plan.package)
        await self._kernel.records.flush()

    async def _claims_on(self, package: PackageId, *, lost: bool) -> list[_Claim]:
        """What processes of other packages hold of it because their own manifests ask for it: the end of the old
        version takes it back. When that is `lost` already, what they ask for has to do.
        """
        claims: list[_Claim] = []
        for process in list(self._kernel.router.processes.values()):
            held = [(one.issuer.process, one.params) for one in process.holdings.all()]
            if process.pid.package_id == package or not (lost or any(_is_of(package, one) for one in held)):
                continue
            asked = [one for one in await self._requests_of(process.pid) if _is_of(package, one)]
            claims += [(process.pid, *one) for one in asked if lost or one in held]
        return claims

    def _give_back(self, claims: Sequence[_Claim]) -> None:
        for holder, issuer, params in claims:
            self._grant(issuer, holder, params)

    async def _requests_of(self, process: ProcessId) -> list[tuple[ProcessId, str]]:
        """What its manifest asks for."""
        own = [entry for entry in await self._entries_of(process.package_id) if entry.name == process.process]
        return [(right.process, right.params) for entry in own for right in entry.requests]

    async def _named_by(self, package: PackageId) -> list[ProcessId]:
        """What its manifest calls its processes."""
        entries = await self._entries_of(package)
        return [ProcessId(entry.name, package.package, package.publisher) for entry in entries]

    async def _entries_of(self, package: PackageId) -> list[ManifestEntry]:
        """None when it has no manifest that can be read."""
        try:
            return parse_manifest(MANIFEST, await read_manifest(self._disk, package))[0]
        except (OSError, PackageError):
            return []

    async def _stop(self, package: PackageId) -> None:
        while left := self._processes_of(package):
            async with trio.open_nursery() as nursery:
                for pid in left:
                    nursery.start_soon(self._kernel.kill, pid)

    async def _remove(self, package: PackageId) -> None:
        await self._stop(package)
        self._programs.forget(package)
        await remove_files(self._disk, package)
        for kept in self._databases:
            await _remove_databases(kept, package)
        self._approvals.forget(package)
        # What a process asked for just before its end is written by now.
        states = [key for key, _ in await self._store.scan(STATES) if key.endswith(f":{package}")]
        self._store.apply([Delete(STATES, key) for key in states])

    def _processes_of(self, package: PackageId) -> list[ProcessId]:
        return [pid for pid in self._kernel.router.processes if pid.package_id == package]

    # -- steps

    async def _plan(
        self, files: Mapping[str, bytes], *, approved: bool, claimed: PackageId | None = None
    ) -> InstallPlan:
        """Check everything. Raises `PackageError`."""
        plan = plan_install(files, self._around(approved=approved), claimed)
        await self._check_neighbours(plan.package)
        # Takes long: elsewhere, and once.
        check_code(plan, await self._workers.run(compile_plan, plan), self._programs)
        for warning in plan.warnings:
            self._print(str(warning))
        return plan

    async def _check_neighbours(self, package: PackageId) -> None:
        """Some disks would take the drives of two packages for one. Raises `PackageError`, OSError."""
        for name, _ in await self._disk.list(""):
            if name != str(package) and name.lower() == str(package).lower():
                problem = f"{package} and {name}, which is on this node, differ in upper and lower case only"
                raise PackageError(METADATA[0], "$", problem, "choose another name")

    async def _plan_of_drive(self, package: PackageId, *, approved: bool) -> InstallPlan:
        """From its files on the disk; their content is not in it. Raises `PackageError`, OSError."""
        try:
            files = await read_plan_files(self._disk, package)
        except FileNotFoundError:
            raise _not_installed(package) from None
        return plan_install(files, self._around(approved=approved), package)

    def _around(self, *, approved: bool) -> Surroundings:
        router = self._kernel.router
        return Surroundings(router.node, list(router.processes), approved=approved)

    def _print(self, text: str) -> None:
        router = self._kernel.router
        router.print(0, router.kernel_address, text)

    async def _put(self, plan: InstallPlan) -> None:
        await put_files(self._disk, plan)
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
            created.append(self._kernel.lifecycle.create(new))
        return created

    def grant_all(self, plan: InstallPlan) -> None:
        """What its processes give to others that exist."""
        for planned in plan.processes:
            for to, params in planned.grants:
                self._grant(planned.id, to, params)

    def _grant(self, by: ProcessId, to: ProcessId, params: str) -> None:
        issuer, receiver = self._kernel.router.find(by), self._kernel.router.find(to)
        if issuer is not None and receiver is not None:
            self._kernel.grants.grant(receiver, Capability(issuer.address, params))


async def _remove_databases(kept: PackageDatabases, package: PackageId) -> None:
    """Raises OSError."""
    try:
        for name in await kept.names(package):
            with suppress(NoDatabase):
                await kept.remove(name)
    except EngineFailed as error:
        raise OSError(errno.EIO, str(error)) from error


def _is_of(package: PackageId, right: tuple[ProcessId, str]) -> bool:
    return right[0].package_id == package


def _not_installed(package: PackageId) -> PackageError:
    return PackageError(
        str(package), "$", "there is no such package on this node", "send its zip with NewPackage"
    )


def _version(metadata: bytes) -> str | None:
    try:
        return parse_metadata(METADATA[0], metadata)[0].version
    except PackageError:
        return None
