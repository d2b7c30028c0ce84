"""`@script` through all that a package goes through: manifest, loader and a real node's kernel."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kernel.address import Address, ProcessId
from kernel.lifecycle import NewProcess
from kernel.message import Request
from kernel.syscalls import current
from runtime.loader import DiskPrograms
from runtime.packages import put_files, read_package
from runtime.sim.disk import MemoryDisk
from runtime.sim.workers import InlineWorkers
from sys_processes.app_store.core import Surroundings, plan_install
from tests.support.module_node import NODE, module_node

SHOUT = """
from userland.process_lib import script


@script
async def {name}(our, args):
    return f"{{our.process_name}}: {{args.upper()}}"
"""


def _package(folder: Path, name: str) -> Path:
    (folder / "pkg").mkdir()
    (folder / "metadata.json").write_text('{"package": "shout", "publisher": "nectar", "version": [0, 1, 0]}')
    manifest = [
        {
            "process_name": "shout",
            "process_path": "/shout.py",
            "on_exit": "None",
            "request_capabilities": [],
            "grant_capabilities": [],
            "public": True,
        }
    ]
    (folder / "pkg" / "manifest.json").write_text(json.dumps(manifest))
    (folder / "pkg" / "shout.py").write_text(SHOUT.format(name=name))
    return folder


@pytest.mark.parametrize("name", ["init", "shout"])
async def test_a_script_of_a_package_answers_once_and_ends(tmp_path: Path, name: str) -> None:
    """PROTOCOL 5.1."""
    disk = MemoryDisk()
    programs = DiskPrograms(disk, InlineWorkers())
    plan = plan_install(read_package(_package(tmp_path, name)), Surroundings(NODE, ()))
    await put_files(disk, plan)
    (planned,) = plan.processes
    assert planned.id == ProcessId("shout", "shout", "nectar")

    async def asks() -> None:
        request = Request(False, 5, b"hi")
        answer = await current().send_and_await_response(Address(NODE, planned.id), request)
        assert answer.ipc == b"shout: HI"

    async with module_node({}) as node:
        program = await programs.prepare(planned.id, planned.code)
        process = node.kernel.lifecycle.create(
            NewProcess(planned.id, program, planned.code, planned.on_exit, planned.public)
        )
        node.kernel.lifecycle.start(process)
        await node.as_process("alice:test:alice.uq", asks)
        assert process.last_error is None
        assert node.kernel.router.find(planned.id) is None
