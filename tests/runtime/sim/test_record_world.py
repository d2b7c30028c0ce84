"""What the node and its modules did is done again, once, and what the packages caused themselves is left to them."""

from __future__ import annotations

from pathlib import Path

import trio

from kernel.address import Address, ProcessId
from kernel.capability import Capability
from sys_processes.timer.protocol import TIMER
from tests.support.recorded import ask, package_of, record
from tests.support.web_node import WebNode, settle

APP, OTHER = ProcessId("app", "app", "me"), ProcessId("other", "app", "me")

WAITS = """
from userland.process_lib import *
from userland.process_lib import timer

async def init(our):
    while True:
        try:
            await timer.set_and_await_timer(3000)
            text = "rang"
        except SendError as error:
            text = f"{error.kind} {error.reason} {error.detail} {error.definite}"
        Request().target((our.node, "other:app:me")).ipc(text).send()
"""
HEARS = """
from userland.process_lib import *

async def init(our):
    heard = []
    while True:
        try:
            message = await await_message()
        except SendError as error:
            heard.append(f"{error.reason}")
            continue
        if message.wants_response:
            Response().ipc("|".join(heard)).send()
        else:
            heard.append(message.ipc.decode())
"""


def test_a_module_that_starts_anew_fails_what_it_was_asked(tmp_path: Path):
    async def story(web: WebNode) -> None:
        await trio.sleep(0.5)  # timers ring at whole seconds: this one is killed between two of them
        await web.node.kernel.kill(TIMER)
        await trio.sleep(10)
        assert "process_exited" in await ask(web, str(OTHER))
        assert "rang" in await ask(web, str(OTHER))

    package = package_of({"app": WAITS, "other": HEARS}, "app", "other", request_capabilities=[str(TIMER)])
    record(tmp_path, [package], story).assert_same()


RIGHTS = """
from userland.process_lib import *

async def init(our):
    while True:
        try:
            message = await await_message()
        except SendError as error:
            continue
        sink = (our.node, "other:app:me")
        Response().ipc(f"{can_message(sink)} {len(get_capabilities())} {has_capability('1')}").send()
        Request().target(sink).ipc("may I?").send()
"""


def test_rights_that_the_node_gives_and_takes(tmp_path: Path):
    """C-064: what a process may do is asked of the same tables."""
    answers: list[str] = []

    async def story(web: WebNode) -> None:
        kernel = web.node.kernel
        app, other = (kernel.router.processes[pid] for pid in (APP, OTHER))
        messaging = Capability.messaging(Address(kernel.node, OTHER))
        network = Capability.network(kernel.node)
        for change in (
            lambda: None,
            lambda: kernel.grants.drop(app, messaging),
            lambda: kernel.grants.grant(app, messaging),
            lambda: kernel.grants.grant(app, network),
            lambda: kernel.grants.revoke_issued(other),
        ):
            change()
            answers.append(await ask(web, str(APP)))
            await settle()

    rights = {"request_capabilities": [str(OTHER)], "grant_capabilities": ["http_server:sys:nectar"]}
    package = package_of({"app": RIGHTS, "other": HEARS}, "app", "other", public=False, **rights)
    record(tmp_path, [package], story).assert_same()
    assert len(set(answers)) > 2


def test_a_process_that_the_node_ends_before_it_ran(tmp_path: Path):
    """One that waits for its restart is asked to end, and what was sent to it comes back."""
    crashes = "async def init(our):\n    raise ValueError('always')\n"

    async def story(web: WebNode) -> None:
        await trio.sleep(2)
        await ask(web, str(APP))
        await web.node.kernel.kill(APP)
        await ask(web, str(APP))

    record(tmp_path, [package_of({"app": crashes})], story).assert_same()
