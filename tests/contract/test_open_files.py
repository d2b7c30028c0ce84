"""What every OpenFiles does, the one of the system and the simulated one."""

from __future__ import annotations

import os

import pytest
import trio

from runtime.open_files import SystemOpenFiles
from runtime.sim.open_files import SimOpenFiles
from sys_processes.devices import OpenFiles


@pytest.fixture(params=["system", "simulated"])
def files(request: pytest.FixtureRequest) -> OpenFiles:
    return SystemOpenFiles() if request.param == "system" else SimOpenFiles(used=3)


def test_no_more_are_used_than_allowed(files: OpenFiles) -> None:
    assert 0 < files.used() < files.allowed()


async def test_a_wait_for_the_next_look_can_be_given_up(files: OpenFiles) -> None:
    with trio.move_on_after(1) as waiting:
        await files.wait_look(3600)
    assert waiting.cancelled_caught


def test_the_system_counts_what_is_opened() -> None:
    files = SystemOpenFiles()
    before = files.used()
    descriptors = [os.open(os.devnull, os.O_RDONLY) for _ in range(5)]
    assert files.used() == before + 5
    for descriptor in descriptors:
        os.close(descriptor)
    assert files.used() == before


async def test_the_system_is_looked_at_after_the_time() -> None:
    started = trio.current_time()
    await SystemOpenFiles().wait_look(3600)
    assert trio.current_time() == started + 3600
