"""The example packages are packages like any other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from kernel.address import Address, ProcessId
from kernel.lifecycle import NewProcess
from kernel.message import OnExit, Request
from kernel.syscalls import current
from runtime.loader import DiskPrograms
from runtime.options import example_packages
from runtime.packages import check_code, compile_plan, put_files, read_package
from runtime.sim.disk import MemoryDisk
from runtime.sim.workers import InlineWorkers
from sys_processes.app_store.core import Surroundings, plan_install
from tests.support.module_node import NODE, module_node

MODULES = tuple(ProcessId(name, "sys", "nectar") for name in ("http_server", "vfs", "timer", "state"))


@pytest.mark.parametrize("folder", example_packages(), ids=lambda folder: folder.name)
def test_every_example_installs_without_a_warning(folder: Path) -> None:
    plan = plan_install(read_package(folder), Surroundings(NODE, MODULES))
    check_code(plan, compile_plan(plan), DiskPrograms(MemoryDisk(), InlineWorkers()))
    assert plan.warnings == ()
    assert plan.processes
    assert all(process.on_exit == OnExit.restart() for process in plan.processes)


@pytest.mark.parametrize("folder", example_packages(), ids=lambda folder: folder.name)
def test_a_page_of_an_example_loads_nothing_from_elsewhere_and_never_takes_text_for_html(
    folder: Path,
) -> None:
    for path, content in read_package(folder).items():
        if path.startswith("pkg/ui/"):
            text = content.decode().replace("http://www.w3.org/2000/svg", "")
            assert (
                re.findall(r"https?://|innerHTML|outerHTML|insertAdjacentHTML|\bwrite\(|<[^>]+ on\w+=", text)
                == []
            )


async def test_echo_survives_every_send_error_on_a_node_without_a_web() -> None:
    disk = MemoryDisk()
    programs = DiskPrograms(disk, InlineWorkers())
    folder = next(folder for folder in example_packages() if folder.name == "echo")
    plan = plan_install(read_package(folder), Surroundings(NODE, MODULES))
    await put_files(disk, plan)
    (planned,) = plan.processes

    async def script() -> None:
        target = Address(NODE, planned.id)
        answer = await current().send_and_await_response(target, Request(False, 5, b"\x00hi"))
        assert answer.ipc == b"\x00hi"

    async with module_node({}) as node:
        program = await programs.prepare(planned.id, planned.code)
        process = node.kernel.lifecycle.create(
            NewProcess(
                planned.id,
                program,
                planned.code,
                planned.on_exit,
                planned.public,
                capabilities=planned.capabilities,
            )
        )
        node.kernel.lifecycle.start(process)
        await node.as_process("alice:test:alice.uq", script)
        assert "not on the web: Timeout (no_such_process)" in node.console.text
        assert process.last_error is None
