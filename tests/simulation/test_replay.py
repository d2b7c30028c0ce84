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
from runtime.sim.channel_laws import ChannelLaws
from runtime.sim.clients import WsClient, request_bytes
from runtime.sim.laws import Laws
from runtime.sim.scheduler import run_deterministic
from runtime.sim.trace import Trace
from sys_processes.app_store.archive import pack
from tests.support.kit import SEED, KitAnswer, kit_answer, kit_call
from tests.support.sealed_client import answered, sealed_register
from tests.support.sim_home import package
from tests.support.web_app import NODE, App
from tests.support.web_node import RPC_TOKEN, WebNode, web_node

ROOT = Path(__file__).parents[2]
ECHO = "echo:echo:nectar"
OTHER = "app:app:alice.uq"
INSTALLED = "page:page:me"
SERVES_A_FILE = """
from userland.process_lib import SendError, await_message, http

async def init(our):
    await http.serve_ui(our, "ui")
    while True:
        try:
            await await_message()
        except SendError:
            pass
"""


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


async def whisper(web: WebNode) -> None:
    """An encrypted channel. What the client's ciphers draw, and the seed of OAEP, are not of this world."""
    socket = await web.websocket("/")
    await socket.send(sealed_register(web, ECHO))
    client = await answered(socket)
    for said in (b"a secret", b"another"):
        await client.send(said)
        assert await client.receive() == said
    await socket.close()


async def browse(web: WebNode, cookie: str, number: int) -> None:
    client = web.client()
    page = await client.ask("GET", f"/{ECHO}/", cookie=cookie)
    assert (page.status, page.header("content-type")) == (200, "text/html")
    assert (await client.ask("GET", "/", cookie=cookie)).status == 200
    for turn in range(3):
        said = b"%d %d" % (number, turn)
        assert (await client.ask("POST", f"/{ECHO}/", said, cookie=cookie)).body == said
    await client.close()


async def inject(web: WebNode) -> None:
    body = b'{"process":"%s","ipc":"hello","expects_response":5}' % ECHO.encode()
    reply = await web.http("POST", "/rpc:sys:nectar/message", body, authorization=f"Bearer {RPC_TOKEN}")
    assert reply.status == 200


async def kit(web: WebNode, body: bytes) -> KitAnswer:
    reply = await web.http(
        "POST",
        "/rpc:sys:nectar/message",
        body,
        content_type="application/json",
        authorization=f"Bearer {RPC_TOKEN}",
    )
    return kit_answer(reply.status, reply.body)


async def install(web: WebNode, cookie: str) -> None:
    """A package with a page goes in and out while the others talk."""
    rights = ["http_server:sys:nectar", "vfs:sys:nectar"]
    files = package(SERVES_A_FILE, name="page", request_capabilities=rights, grant_capabilities=rights)
    zipped = pack({**files, "pkg/ui/index.html": b"<p>installed</p>"})
    new = {"NewPackage": {"package": "page:me", "approve": True}}
    assert (await kit(web, kit_call(SEED.process, new, zipped))).body == {"NewPackageResponse": "Success"}
    started = await kit(web, kit_call(SEED.process, SEED.install("page:me")))
    assert started.body == {"InstallResponse": "Success"}, started.said
    await trio.sleep(1)
    page = await web.http("GET", f"/{INSTALLED}/", cookie=cookie)
    assert (page.status, page.body) == (200, b"<p>installed</p>")
    known = await web.http("GET", f"/{INSTALLED}/", cookie=cookie, if_none_match=page.header("etag"))
    assert known.status == 304
    gone = await kit(web, kit_call(SEED.process, SEED.uninstall("page:me")))
    assert gone.body == {"UninstallResponse": "Success"}


async def crash(web: WebNode) -> None:
    """A process that falls and gets up again among all this."""
    app = App()
    web.start(app, OTHER, on_exit=OnExit.restart())
    await trio.sleep(0.01)
    socket, _ = await web.registered(OTHER)
    app.crash()
    assert (await socket.ended()).code == 1001


async def world(seed: int, trace: Trace | None = None) -> list[str]:
    """The lines of all events of a node's life, which a `trace` is told, too."""
    lines: list[str] = []
    told = (trace or Trace()).observer(NODE)

    def observe(event: Event) -> None:
        lines.append(event.line())
        told(event)

    package = read_package(ROOT / "userland" / "apps" / "echo")
    async with web_node(packages=[package], observer=observe, seed=seed, split=True) as web:
        cookie = await web.login()
        async with trio.open_nursery() as clients:
            for number in range(5):
                clients.start_soon(talk, web, number)
                clients.start_soon(browse, web, cookie, number)
            clients.start_soon(whisper, web)
            clients.start_soon(inject, web)
            clients.start_soon(install, web, cookie)
            clients.start_soon(crash, web)
        silent = web.connect()
        await silent.send_all(request_bytes("GET", "/our")[:10])
        await trio.sleep(60)
    return lines


def log(seed: int) -> list[str]:
    return run_deterministic(world, seed, seed=seed)


def digest(lines: list[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_node_and_its_clients_break_no_law(seed: int) -> None:
    """DESIGN 7."""
    laws, channels, trace = Laws(), ChannelLaws(), Trace()
    trace.monitors += [laws, channels.check]
    run_deterministic(world, seed, trace, seed=seed)
    assert laws.finish(trace.entries[-1].at) is None
    assert channels.broken is None


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
        f"created {INSTALLED}",
        f"exited {INSTALLED} KILLED",
        "appended homepage:homepage:nectar request",
        "appended main:app_store:nectar request",
        "drew - channel id",
        "drew - message ids",
    ):
        assert words in text, words
    # sockets with their frames, the encrypted one, HTTP calls, the injected message
    heard = 5 * (1 + 6 + 1) + (1 + 2 + 1) + 5 * 3 + 1
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
