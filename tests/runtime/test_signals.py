"""A node that is asked to end does, in time, whatever its processes do, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import pty
import signal
import socket
import termios
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import trio

from runtime.signals import LAST_SECONDS
from runtime.sim.clients import open_websocket
from tests.support.live_node import NECTAR, READY, LiveNode, Person, wait_until, write_package
from tests.support.live_process import LiveProcess, clean_environment

RECEIVING = """
import time
import trio
from userland.process_lib import *

async def init(our):
    start_soon(misbehave)
    while True:
        await await_message()

async def misbehave():
    # Not before the node is ready.
    await sleep(0.1)
    print("begun")
"""
STUBBORN = {
    "shields_itself": "    with trio.CancelScope(shield=True): await trio.sleep_forever()",
    "catches_cancelled": """
    while True:
        try:
            await trio.sleep_forever()
        except trio.Cancelled:
            pass
""",
    "spins": "    while True: pass",
    "sleeps_in_a_system_call": "    time.sleep(60)",
    "cleans_up_for_ever": """
    try:
        await trio.sleep_forever()
    finally:
        while True: pass
""",
}
SILENT = """
from userland.process_lib import *

async def init(our):
    await http.bind_http_path("/", authenticated=False)
    await http.bind_ws_path("/", authenticated=False)
    while True:
        await await_message()
"""
APP = "app:app:me"


@pytest.fixture
def person(tmp_path: Path) -> Person:
    return Person(tmp_path)


def nothing_left(person: Person, node: LiveNode) -> bool:
    with socket.create_server(("127.0.0.1", node.port)):
        pass
    return person.left_behind() == []


# -- in time


def test_the_last_call_comes_before_the_promised_four_seconds():
    assert LAST_SECONDS < 4


def test_no_process_can_keep_a_node(person: Person):
    """All at once, because each takes some seconds. Time is bounded by the last call; here only that it ends."""
    with ExitStack() as stack:
        nodes: dict[str, LiveNode] = {}
        for number, (name, code) in enumerate(STUBBORN.items()):
            package = write_package(person.home / name, RECEIVING + code)
            home = person.home / f"home{number}"
            nodes[name] = stack.enter_context(person.dev(package, "--home", home))
        for number, node in enumerate(nodes.values()):
            node.wait_logged("begun")
            node.process.send_signal((signal.SIGINT, signal.SIGTERM)[number % 2])
        assert {name: node.process.wait(15) for name, node in nodes.items()} == dict.fromkeys(STUBBORN, 0)
        for number, node in enumerate(nodes.values()):
            assert nothing_left(person, node)
            left = {path.name for path in (person.home / f"home{number}").iterdir()}
            assert left >= {"keyfile.json", "store.sqlite"}
            assert left.isdisjoint({"lock", "node.json", "rpc.token"})
        for name in ("shields_itself", "catches_cancelled"):
            assert f"{APP} did not end within 2 s" in nodes[name].process.err
        for name in ("spins", "sleeps_in_a_system_call"):
            assert f"{APP} holds the event loop for more than 250 ms" in nodes[name].process.err


def test_a_node_that_still_boots_ends_as_soon_as_it_is_asked(person: Person):
    """It waits five seconds for a process that never receives, unless it is asked to end."""
    never = "import trio\nasync def init(our):\n    print('begun')\n    await trio.sleep_forever()\n"
    process = person.start("dev", write_package(person.home / "app", never), "--port", "0")
    try:
        process.wait_said(lambda: "begun" in process.err)
        assert process.stop() == 0
        assert process.out == ""
        assert "Traceback" not in process.err
        assert person.left_behind() == []
    finally:
        process.close()


def test_a_node_that_is_asked_to_end_before_it_is_ready_ends_in_order(person: Person):
    """A process that cleans up is let do so, and one that does not end is named."""
    code = """
import trio
from userland.process_lib import *

async def init(our):
    print("begun")
    try:
        await trio.sleep_forever()
    finally:
        print("cleaned")
        with trio.CancelScope(shield=True): await STUBBORN
"""
    tidy = write_package(person.home / "tidy", code.replace("STUBBORN", "trio.sleep(0)"), name="tidy")
    stubborn = write_package(person.home / "app", code.replace("STUBBORN", "trio.sleep_forever()"))
    home = person.home / "kept"
    process = person.start("dev", tidy, stubborn, "--port", "0", "--home", home)
    try:
        process.wait_said(lambda: process.err.count("begun") == 2)
        assert process.stop() == 0
        assert process.out == ""
        assert process.err.count("cleaned") == 2
        assert f"{APP} did not end within 2 s" in process.err
        assert "Traceback" not in process.err
        left = {path.name for path in home.iterdir()}
        assert left >= {"keyfile.json", "store.sqlite"}
        assert left.isdisjoint({"lock", "node.json", "rpc.token", "store.sqlite-wal"})
    finally:
        process.close()


def test_a_process_that_spins_before_its_first_receive_is_named_and_left_behind(person: Person):
    spins = "async def init(our):\n    while True: pass\n"
    process = person.start("dev", write_package(person.home / "app", spins), "--port", "0")
    try:
        process.wait_said(lambda: f"{APP} holds the event loop" in process.err)
        assert process.stop() == 0
        assert person.left_behind() == []
    finally:
        process.close()


def test_a_second_signal_ends_it_at_once(person: Person):
    package = write_package(person.home / "app", RECEIVING + STUBBORN["shields_itself"])
    with person.dev(package) as node:
        node.wait_logged("begun")
        node.process.send_signal(signal.SIGTERM)
        # The door is closed once the first one is being obeyed.
        wait_until(lambda: is_closed(node.port))
        node.process.send_signal(signal.SIGINT)
        assert node.process.wait() == 1
        assert f"{APP} did not end" not in node.process.err
        assert nothing_left(person, node)


def is_closed(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return True
    return False


@pytest.mark.parametrize("seen", ["", "lock", "logs", "keyfile.json", "store.sqlite", "node.json"])
def test_at_any_moment_of_a_boot_a_signal_leaves_nothing_behind(seen: str, person: Person):
    """P35. `seen` is how far it has come, as one sees from outside; it has a throw-away home from `lock` on.

    Before our own code runs, Python ends as it always does.
    """
    number = signal.SIGINT if len(seen) % 2 else signal.SIGTERM
    process = person.start("dev", write_package(person.home / "app", RECEIVING), "--port", "0")
    try:
        if seen:
            homes = person.home / "tmp"
            wait_until(lambda: process.poll() is not None or list(homes.glob(f"*/{seen}")))
        process.send_signal(number)
        code = process.wait()
    finally:
        process.close()
    assert code == 0 if seen else code in (0, 130, -number), process.story()
    assert person.left_behind() == []
    assert not seen or "Traceback" not in process.err


# -- what is open


@pytest.fixture
def silent(person: Person) -> Iterator[LiveNode]:
    with person.dev(write_package(person.home / "app", SILENT)) as node:
        yield node


@pytest.mark.real_clock
async def test_open_sockets_hear_that_the_node_goes_away(silent: LiveNode, person: Person):
    token = await trio.to_thread.run_sync(silent.login)
    bound = await open_websocket(await trio.open_tcp_stream("127.0.0.1", silent.port), f"/{APP}/")
    registered = await open_websocket(await trio.open_tcp_stream("127.0.0.1", silent.port))
    frame = {"auth_token": token, "target_process": APP, "encrypted": False}
    await registered.send(json.dumps(frame))
    await registered.receive()
    silent.process.send_signal(signal.SIGTERM)
    assert (await bound.ended()).code == 1001
    assert (await registered.ended()).code == 1001
    assert await trio.to_thread.run_sync(silent.process.wait) == 0
    assert nothing_left(person, silent)


def test_http_calls_under_way_are_not_left_hanging(silent: LiveNode, person: Person):
    """Each is answered with an error, or its connection ends."""
    ends: list[object] = []

    def call() -> None:
        try:
            ends.append(silent.http("GET", f"/{APP}/").status)
        except OSError as error:
            ends.append(error)

    callers = [threading.Thread(target=call) for _ in range(5)]
    for caller in callers:
        caller.start()
    wait_until(lambda: silent.processes()[APP]["state"] == "running")
    assert silent.stop() == 0
    for caller in callers:
        caller.join(20)
    assert len(ends) == 5
    assert all(end == 503 or isinstance(end, OSError) for end in ends), ends
    assert nothing_left(person, silent)


# -- at the prompt


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_at_the_password_prompt_ends_it_and_gives_the_terminal_back(
    number: signal.Signals, person: Person
):
    keyboard, terminal = pty.openpty()
    argv = [*NECTAR, "boot", str(person.home / "home"), "--name", "bob.uq", "--port", "0"]
    # In a session of its own, where there is no other terminal than stdin.
    code = "import os, sys; os.setsid(); os.execv(sys.argv[1], sys.argv[1:])"
    process = LiveProcess(
        [NECTAR[0], "-c", code, *argv], environment=clean_environment(person.home), stdin=terminal
    )
    try:
        wait_until(lambda: not termios.tcgetattr(terminal)[3] & termios.ECHO, "the prompt")
        process.send_signal(number)
        assert process.wait() == 130
        assert termios.tcgetattr(terminal)[3] & termios.ECHO
        assert "Traceback" not in process.err
        assert not (person.home / "home" / "lock").exists()
        assert READY.search(process.out) is None
    finally:
        process.close()
        os.close(keyboard)
        os.close(terminal)
