"""`nectar dev` with an actor of fifteen lines, met over HTTP, WebSocket and messages; and what makes it differ."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from runtime.sim.clients import WsClient, open_websocket
from tests.support.live_node import LiveNode, Person, json_of, write_package
from tests.support.live_process import NotSeen

FIFTEEN_LINES = """
from userland.process_lib import Address, Malformed, Response, SendError, await_message, get_payload, http

async def init(our: Address) -> None:
    await http.bind_http_path("/", authenticated=False)
    while True:
        try:
            message = await await_message()
            match http.HttpServerRequest.from_bytes(message.ipc):
                case http.Http():
                    http.send_response(200, {}, f"I am {our}".encode())
                case http.WebSocketPush(channel_id, kind):
                    http.send_ws_push(our.node, channel_id, kind, get_payload())
        except (SendError, Malformed):
            Response().ipc(b"hello").payload(get_payload()).send()
"""
APP = "app:app:me"


@pytest.fixture(scope="module")
def person(tmp_path_factory: pytest.TempPathFactory) -> Person:
    return Person(tmp_path_factory.mktemp("dev"))


@pytest.fixture(scope="module")
def node(person: Person) -> Iterator[LiveNode]:
    folder = write_package(
        person.home / "app",
        FIFTEEN_LINES,
        request_capabilities=["http_server:sys:nectar"],
        grant_capabilities=["http_server:sys:nectar"],
        public=False,
    )
    with person.dev(folder) as node:
        yield node


# -- the actor


def test_it_answers_over_http(node: LiveNode):
    reply = node.http("GET", f"/{APP}/")
    assert (reply.status, reply.body) == (200, b"I am fake.dev@app:app:me")


def test_it_answers_a_message_with_its_payload(node: LiveNode, person: Person, tmp_path: Path):
    (tmp_path / "f").write_bytes(b"\x00\xff")
    argv = ["inject-message", APP, "hi", "--url", node.url]
    assert person.nectar(*argv).out == "hello\n"
    said = person.nectar(*argv, "--json", "--payload", tmp_path / "f", "--mime", "image/x")
    assert json_of(said.out) == {"ipc": "hello", "payload": {"mime": "image/x", "base64": "AP8="}}


@asynccontextmanager
async def registered(node: LiveNode, *, as_bytes: bool) -> AsyncIterator[tuple[WsClient, object]]:
    token = await trio.to_thread.run_sync(node.login)
    socket = await open_websocket(await trio.open_tcp_stream("127.0.0.1", node.port))
    frame = json.dumps({"auth_token": token, "target_process": APP, "encrypted": False})
    await socket.send(frame.encode() if as_bytes else frame)
    yield socket, json.loads(await socket.receive())
    await socket.close()


@pytest.mark.real_clock
@pytest.mark.parametrize("as_bytes", [False, True])
async def test_it_answers_a_client_that_registered_as_text_or_bytes(node: LiveNode, as_bytes: bool):
    async with registered(node, as_bytes=as_bytes) as (socket, answer):
        assert isinstance(answer, dict)
        assert list(answer) == ["channel_id"]
        await socket.send("hi there")
        assert await socket.receive() == "hi there"
        await socket.send(b"\x00\xff")
        assert await socket.receive() == b"\x00\xff"


# -- what is special about dev


def test_it_takes_the_password_secret_and_no_other(node: LiveNode):
    """C-163."""
    assert node.login("secret")
    assert node.http("POST", "/login", b'{"password":"hunter2hunter2"}').status == 401


def test_its_rpc_route_needs_no_token_but_does_not_trust_pages(node: LiveNode):
    """C-163."""
    call = json.dumps({"process": APP, "ipc": "x", "expects_response": 5}).encode()
    route = "/rpc:sys:nectar/message"
    assert node.http("POST", route, call).status == 200
    assert node.http("POST", route, call, origin="http://evil.example").status == 403
    assert node.http("POST", route, call, host="evil.example").status == 403


def test_without_packages_it_runs_the_examples(person: Person):
    with person.dev() as node:
        cookie = f"nectar-auth_fake.dev={node.login()}"
        for app in (
            "chat:chat:nectar",
            "counter:counter:nectar",
            "echo:echo:nectar",
            "fibonacci:fibonacci:nectar",
            "file_transfer:file_transfer:nectar",
        ):
            assert b"<html" in node.http("GET", f"/{app}/", cookie=cookie).body
        assert node.send("echo:echo:nectar", "again").ipc == b"again"
        assert node.send("fibonacci:fibonacci:nectar", '{"Number":10}').ipc == b'{"Number":55}'
        assert node.send("chat:chat:nectar", '"History"').ipc == b'{"messages":[],"last":0}'


def test_a_home_that_is_given_is_kept_with_what_else_lies_in_it(person: Person, tmp_path: Path):
    """P38."""
    (tmp_path / "notes.txt").write_text("mine")
    package = write_package(tmp_path / "app", FIFTEEN_LINES)
    closed = ["--home", str(tmp_path), "--name", "bob.dev", "--password", "other", "--set", "rpc.open=false"]
    with person.dev(package, *closed) as node:
        assert node.login("other")
        said = person.nectar("ps", "--url", node.url)
        assert (said.code, said.advice) == (1, "nectar ps --home HOME")
        assert "does not let us in" in said.err
        assert person.nectar("ps", "--home", tmp_path).code == 0
        assert node.stop() == 0
    assert (tmp_path / "notes.txt").read_text() == "mine"
    with person.dev(package, "--home", tmp_path, "--password", "other") as node:
        assert node.http("GET", "/our").body == b"bob.dev"
    with (
        pytest.raises(NotSeen, match="this password does not open the keyfile"),
        person.dev(package, "--home", tmp_path),
    ):
        raise AssertionError


def test_a_throw_away_home_is_thrown_away(person: Person, tmp_path: Path):
    alone = Person(tmp_path)
    with alone.dev(write_package(tmp_path / "app", FIFTEEN_LINES)) as node:
        assert len(alone.left_behind()) == 1
        assert node.stop() == 0
    assert alone.left_behind() == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["app", "local", "tmp"]
    assert list((tmp_path / "local").iterdir()) == []


def test_what_a_package_prints_is_logged_and_never_on_stdout(person: Person, tmp_path: Path):
    """P20: whoever reads stdout for the ready line may stop reading then, which must hold nobody up."""
    chatter = FIFTEEN_LINES.replace("    await http", "    print('x' * 9)\n    await http", 1)
    with person.dev(write_package(tmp_path / "app", chatter)) as node:
        node.wait_logged("fake.dev@app:app:me xxxxxxxxx\n")
        assert node.stop() == 0
        assert node.process.out == f"ready: {node.url}\n"
