"""Puts packages into a node, running or still booting, and takes them out: what boot, reload and app_store share.

One at a time, in the order asked. Whoever is cut off on the way leaves either version whole on the disk.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs
import trio

from kernel.address import PackageId, ProcessId
from kernel.capability import Capability
from kernel.errors import ProgramError
from kernel.kernel import Kernel
from kernel.lifecycle import NewProcess
from kernel.ports import Program
from kernel.process import Process
from runtime.loader import DiskPrograms
from runtime.packages import plan_checked, put_files
from sys_processes.app_store.core import METADATA, InstallPlan, Surroundings
from sys_processes.app_store.fields import PackageError
from sys_processes.devices import Disk


@attrs.frozen
class Made:
    """A package whose processes exist and were not started yet."""

    plan: InstallPlan
    processes: Sequence[Process]


class Installer:
    """Of one node. `programs` are those that its kernel runs."""

    def __init__(self, kernel: Kernel, disk: Disk, programs: DiskPrograms) -> None:
        self._kernel = kernel
        self._disk = disk
        self._programs = programs
        self._turn = trio.Lock()

    # -- a boot

    async def make_given(self, packages: Sequence[Mapping[str, bytes]]) -> list[Made | PackageError]:
        """Of each, in order, its processes or what speaks against it; all are checked before the first is touched.

        `grant_all` is for when everybody is there. Raises OSError.
        """
        made: list[Made | PackageError] = []
        async with self._turn:
            for plan in self._plan_all(packages):
                if isinstance(plan, PackageError):
                    made.append(plan)
                    continue
                try:
                    await self._put(plan)
                    made.append(Made(plan, self._create_all(plan, await self._prepare(plan))))
                except PackageError as error:
                    made.append(error)
        return made

    def _plan_all(self, packages: Sequence[Mapping[str, bytes]]) -> list[InstallPlan | PackageError]:
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

    # -- a running node

    async def install_files(self, files: Mapping[str, bytes]) -> PackageId:
        """In place of an older version; states are kept, and naming it here approves what it asks for.

        Raises `PackageError`, and then the old version goes on; `KernelError`, `StoreFailed`, OSError.
        """
        async with self._turn:
            plan = self._plan(files)
            await self._put(plan)
            await self._replace(plan)
        return plan.package

    async def stop_package(self, package: PackageId) -> None:
        """End all its processes, without their on-exit rules; also those that they start meanwhile."""
        async with self._turn:
            await self._stop(package)

    async def _replace(self, plan: InstallPlan) -> None:
        """The processes of the plan for those that run: everything that can fail comes before the first one ends."""
        programs = await self._prepare(plan)
        await self._stop(plan.package)
        created = self._create_all(plan, programs)
        self.grant_all(plan)
        for process in created:
            self._kernel.lifecycle.start(process)
        await self._kernel.records.flush()

    async def _stop(self, package: PackageId) -> None:
        while left := [pid for pid in self._kernel.router.processes if pid.package_id == package]:
            for pid in left:
                await self._kernel.kill(pid)

    # -- steps

    def _plan(self, files: Mapping[str, bytes]) -> InstallPlan:
        """Check everything. Raises `PackageError`."""
        router = self._kernel.router
        around = Surroundings(router.node, list(router.processes), approved=True)
        plan = plan_checked(files, around, self._programs)
        for warning in plan.warnings:
            router.print(0, router.kernel_address, str(warning))
        return plan

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
            issuer = self._kernel.router.find(planned.id)
            if issuer is not None:
                for to, params in planned.grants:
                    self._grant(issuer, to, params)

    def _grant(self, issuer: Process, to: ProcessId, params: str) -> None:
        receiver = self._kernel.router.find(to)
        if receiver is not None:
            self._kernel.grants.grant(receiver, Capability(issuer.address, params))
