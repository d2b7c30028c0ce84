"""State with versions: what a later package makes of it, and what is never lost."""

from __future__ import annotations

import hashlib
import json

import pytest

from runtime.sim import Faults, World
from runtime.sim.mover import NodeDown
from runtime.sim.nemeses import Crash
from runtime.sim.testing import sim_test
from tests.support.sim_home import package
from userland.process_lib import Response, SendError, await_message, get_state, state, vfs
from userland.process_lib.testing import ActorTest

OUR = "keeper:app:me"


def older(version: int, data: bytes) -> bytes:
    """Version 0 was text, version 1 a number, version 2 a list."""
    if version == 0:
        data = b"%d" % len(data)
    return b"[%b]" % data


def asked(saved: bytes | None, step):
    """What `step` gives, in a process that finds this state; None stands for no answer."""

    async def init(our):
        while True:
            await await_message()
            try:
                answer = await step()
            except (state.NewerState, ValueError) as error:
                answer = f"{type(error).__name__}: {error}"
            Response().ipc(json.dumps(answer)).send()

    with ActorTest(init, our=OUR, state=saved) as actor:
        answer = json.loads(actor.send("go", expects_response=50).ipc)
        return answer, actor.state, actor.printed


async def read_two():
    return await state.load(json.loads, version=2, migrate=older)


@pytest.mark.parametrize(
    ("saved", "found"),
    [
        (None, None),
        (b"some text", [9]),
        (b"nectar state 1\n7", [7]),
        (b"nectar state 2\n[1,2]", [1, 2]),
        (b"nectar state x\n", [15]),
        (b"", [0]),
    ],
)
def test_what_older_versions_saved_is_understood(saved, found):
    answer, left, printed = asked(saved, read_two)
    assert (answer, left) == (found, saved)
    assert not printed


def test_what_is_saved_is_loaded():
    async def step():
        await state.save(b"[3]", version=2)
        return await read_two()

    assert asked(None, step)[:2] == ([3], b"nectar state 2\n[3]")


def test_what_a_newer_version_saved_is_refused_and_left_alone():
    answer, left, _ = asked(b"nectar state 3\n{}", read_two)
    assert answer.startswith("NewerState: ")
    assert "is of version 3, and this package reads up to 2" in answer
    assert left == b"nectar state 3\n{}"


@pytest.mark.parametrize("saved", [b"nectar state 2\nno json", b"nectar state 1\n}"])
def test_what_cannot_be_read_is_set_aside_and_said(saved: bytes):
    async def step():
        found = await read_two()
        path = f"/app:me/set_aside/keeper-{hashlib.sha256(saved).hexdigest()[:16]}"
        async with vfs.open_file(path) as file:
            kept = await file.read()
        return [found, kept.decode(), await get_state() is None]

    answer, left, printed = asked(saved, step)
    assert answer == [None, saved.decode(), True]
    assert left is None
    assert "cannot be read, and is kept as /app:me/set_aside/keeper-" in str(printed)


def test_without_a_migrate_an_older_state_is_set_aside():
    async def step():
        return await state.load(json.loads, version=2)

    answer, left, printed = asked(b"nectar state 1\n7", step)
    assert (answer, left) == (None, None)
    assert "no migrate was given" in str(printed)


@pytest.mark.parametrize("version", [0, -1, True, "2"])
def test_a_version_is_a_number_from_one_on(version):
    async def step():
        await state.save(b"", version=version)

    assert asked(None, step)[0].startswith("ValueError: a version is a whole number from 1 on")


KEEPS = """
from userland.process_lib import *

async def init(our):
    if await get_state() is None:
        await set_state(b"precious")
    while True:
        await await_message()
        Response().ipc(b"kept").send()
"""
READS = """
import json
from userland.process_lib import *

async def init(our):
    found = await state.load(json.loads, version=1, migrate=lambda version, data: data)
    while True:
        await await_message()
        Response().ipc(json.dumps(found)).send()
"""


@sim_test(seeds=6, faults=Faults.of(Crash(every=2), seconds=20))
async def test_nothing_is_lost_when_the_node_crashes_while_it_is_set_aside(w: World):
    node = await w.node("alice.nec", [package(KEEPS)])
    await node.ask("app:app:me", b"?")
    for _ in range(5):
        try:
            await node.install(package(READS))
        except NodeDown:
            w.cover("down at an upgrade")
        await w.sleep(3)
    await w.heal()
    await w.settle()
    await node.install(package(READS))
    try:
        await node.ask("app:app:me", b"?")
    except SendError:
        await node.ask("app:app:me", b"?")
    aside = await node.disk.list("app:me/set_aside")
    (name, _) = aside[0]
    assert len(aside) == 1
    assert await node.disk.read(f"app:me/set_aside/{name}") == b"precious"
