"""The same node, clients and seed give the same kernel events, in this process and in any other."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
import trio

from kernel.events import Event
from kernel.message import OnExit
from runtime.packages import read_package
from runtime.sim.scheduler import run_deterministic
from tests.support.web_app import App
from tests.support.web_client import WsClient, request_bytes
from tests.support.web_node import WebNode, web_node

ROOT = Path(__file__).parents[2]
ECHO = "echo:echo:nectar"
OTHER = "app:app:alice.uq"


async def talk(web: WebNode, number: int) -> None:
    """One client: frames of both types through the echo, some of them at once, then a goodbye or a cut."""
    socket, _ = await web.registered(ECHO)
    for turn in range(3):
        frames: list[str | bytes] = [f"{number} says {turn}", bytes([number, turn]) * 100]
        for frame in frames:
            await socket.send(frame)
        assert [await socket.receive() for _ in frames] == frames
    await leave(socket, number)


async def leave(socket: WsClient, number: int) -> None:
    if number % 2:
        await socket.close()
    else:
        await socket.stream.aclose()


async def browse(web: WebNode, cookie: str, number: int) -> None:
    client = web.client()
    page = await client.ask("GET", f"/{ECHO}/", cookie=cookie)
    assert (page.status, page.header("content-type")) == (200, "text/html")
    for turn in range(3):
        said = b"%d %d" % (number, turn)
        assert (await client.ask("POST", f"/{ECHO}/", said, cookie=cookie)).body == said
    await client.close()


async def inject(web: WebNode) -> None:
    body = b'{"process":"%s","ipc":"hello","expects_response":5}' % ECHO.encode()
    reply = await web.http("POST", "/rpc:sys:nectar/message", body, authorization="Bearer an-rpc-token")
    assert reply.status == 200


async def crash(web: WebNode) -> None:
    """A process that falls and gets up again among all this."""
    app = App()
    web.start(app, OTHER, on_exit=OnExit.restart())
    await trio.sleep(0.01)
    socket, _ = await web.registered(OTHER)
    app.crash()
    assert (await socket.ended()).code == 1001


async def world(seed: int) -> list[str]:
    """The lines of all events of a node's life."""
    lines: list[str] = []

    def observe(event: Event) -> None:
        lines.append(event.line())

    package = read_package(ROOT / "userland" / "apps" / "echo")
    async with web_node(packages=[package], observer=observe, seed=seed, split=True) as web:
        cookie = await web.login()
        async with trio.open_nursery() as clients:
            for number in range(5):
                clients.start_soon(talk, web, number)
                clients.start_soon(browse, web, cookie, number)
            clients.start_soon(inject, web)
            clients.start_soon(crash, web)
        silent = web.connect()
        await silent.send_all(request_bytes("GET", "/our")[:10])
        await trio.sleep(60)
    return lines


def log(seed: int) -> list[str]:
    return run_deterministic(world, seed, seed=seed)


def digest(lines: list[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


@pytest.mark.parametrize("seed", [1, 2])
def test_a_node_and_its_clients_replay_to_the_same_events(seed: int) -> None:
    """DESIGN 7."""
    assert log(seed) == log(seed)


def test_another_seed_takes_another_course() -> None:
    assert log(1) != log(2)


def test_a_log_that_is_compared_shows_the_whole_life_of_the_node() -> None:
    text = "\n".join(log(1))
    for words in (
        f"created {ECHO}",
        f"started {ECHO}",
        "appended http_server:sys:nectar request",
        f"appended {ECHO} request",
        "answered http_server:sys:nectar response",
        f"exited {OTHER} CRASH",
        "drew - channel id",
        "drew - message ids",
    ):
        assert words in text, words
    heard = 5 * (1 + 6 + 1) + 5 * 3 + 1  # sockets with their frames, HTTP calls, the injected message
    assert text.count(f"appended {ECHO} request") == heard


AGAIN = """
from tests.simulation.test_replay import digest, log
print(digest(log(1)))
"""


@pytest.mark.parametrize("hash_seed", ["0", "1", "31337"])
def test_the_events_are_the_same_in_a_new_process_with_another_hash_seed(hash_seed: str) -> None:
    there = subprocess.run(
        [sys.executable, "-c", AGAIN],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert there.stdout.strip() == digest(log(1))
