"""Runs the scripts of installed packages (PROTOCOL 7.8, 8.1): a process for each time that somebody asks."""

from __future__ import annotations

from collections.abc import Iterable

from kernel.address import Address, ProcessId
from kernel.capability import ROOT, Capability
from kernel.errors import ProgramError
from kernel.kernel import Kernel
from kernel.lifecycle import NewProcess
from kernel.message import OnExit
from kernel.process import Process
from runtime.loader import DiskPrograms
from sys_processes.app_store.core import SCRIPTS, InstallPlan, PlannedProcess, check_rights, rights_of
from sys_processes.app_store.fields import PackageError
from sys_processes.app_store.protocol import AskedRight
from sys_processes.state.protocol import STATE
from sys_processes.vfs.protocol import VFS


def planned_script(plan: InstallPlan, script: ProcessId, approved: Iterable[AskedRight]) -> PlannedProcess:
    """Raises `PackageError` when there is none of that name, or when it asks for what nobody approved."""
    found = next((one for one in plan.scripts if one.id == script), None)
    if found is None:
        there = ", ".join(str(one.id) for one in plan.scripts)
        problem = f"{plan.package} has no script {script.process!r}"
        raise PackageError(SCRIPTS, "$", problem, f"it has {there}" if there else "it has no scripts at all")
    check_rights(f"the script {script}", SCRIPTS, rights_of(found), approved)
    return found


async def create_script(
    kernel: Kernel, programs: DiskPrograms, planned: PlannedProcess, by: ProcessId
) -> Process:
    """Of a fresh name, ready to be started; `by` may message it, and it may message `by`. Raises `PackageError`."""
    pid = ProcessId(None, planned.id.package, planned.id.publisher)
    try:
        program = await programs.prepare(pid, planned.code)
    except ProgramError as error:
        raise PackageError(error.file, "$", error.problem, error.fix) from error
    rights = _every_right(kernel) if planned.root else planned.capabilities
    new = NewProcess(
        pid,
        program,
        planned.code,
        OnExit.none(),
        planned.public,
        (Capability.messaging(Address(kernel.node, by)), *rights),
        planned.mailbox,
        parent=by,
    )
    return kernel.lifecycle.create(new)


def _every_right(kernel: Kernel) -> tuple[Capability, ...]:
    """Messages to everybody who is there, and what is more than that."""
    everybody = [Capability.messaging(process.address) for process in kernel.router.processes.values()]
    roots = [Capability(Address(kernel.node, process), ROOT) for process in (VFS, STATE)]
    return (*everybody, *roots, Capability.network(kernel.node))
