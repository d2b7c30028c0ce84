from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import pytest

from kernel.address import ProcessId
from kernel.message import Payload
from runtime.command_error import CommandError
from runtime.node_file import NodeFile, write_node_file
from runtime.rpc_client import NodeDoor, RpcAnswer, call, find_node
from tests.support.rpc_door import RpcDoor, rpc_door

pytestmark = pytest.mark.real_clock

ECHO = ProcessId("echo", "echo", "nectar")
HERE = "http://127.0.0.1:8080"


def home_of(folder: Path, url: str = HERE, token: str = "sesame") -> Path:
    folder.mkdir(exist_ok=True)
    write_node_file(folder, NodeFile(os.getpid(), url, "alice.uq"), token)
    return folder


def test_a_node_is_found_by_its_home(tmp_path: Path) -> None:
    """C-162."""
    home = home_of(tmp_path / "home")
    assert find_node(home, None, tmp_path) == NodeDoor("127.0.0.1", 8080, "sesame")


def test_a_node_is_found_by_its_url_without_any_token(tmp_path: Path) -> None:
    default = home_of(tmp_path / "default")
    assert find_node(None, "http://10.0.0.1:9000", default) == NodeDoor("10.0.0.1", 9000, None)


@pytest.mark.parametrize("url", [None, HERE, HERE + "/"])
def test_the_node_of_the_default_home_is_let_in_with_its_token(url: str | None, tmp_path: Path) -> None:
    default = home_of(tmp_path / "default")
    assert find_node(None, url, default) == NodeDoor("127.0.0.1", 8080, "sesame")


def test_a_url_with_a_home_takes_the_token_of_the_home(tmp_path: Path) -> None:
    home = home_of(tmp_path / "home")
    assert find_node(home, "http://[::1]:9000", tmp_path) == NodeDoor("::1", 9000, "sesame")


def test_the_last_resort_is_port_8080_of_this_machine(tmp_path: Path) -> None:
    assert find_node(None, None, tmp_path) == NodeDoor("localhost", 8080, None)


def test_a_home_without_a_running_node_says_how_to_boot_it(tmp_path: Path) -> None:
    with pytest.raises(CommandError) as caught:
        find_node(tmp_path, None, tmp_path)
    assert caught.value.next_command == f"nectar boot {tmp_path}"


@pytest.mark.parametrize(
    "url", ["localhost:8080", "https://x", "http://", "http://x/y", "http://x:no", "http://[x"]
)
def test_a_url_of_no_node_is_a_usage_error(url: str, tmp_path: Path) -> None:
    with pytest.raises(CommandError) as caught:
        find_node(None, url, tmp_path)
    assert caught.value.code == 2


def test_a_door_writes_its_own_url() -> None:
    assert NodeDoor("::1", 80).url == "http://[::1]:80"


def to(door: RpcDoor, token: str | None = None) -> NodeDoor:
    return NodeDoor("127.0.0.1", int(door.url.rpartition(":")[2]), token)


def test_a_call_carries_ipc_and_payload_and_brings_both_back() -> None:
    """C-115, C-162."""
    answer = b'{"ipc":[111,107],"payload":{"mime":"text/plain","bytes":[65,81,73,68]}}'
    with rpc_door((200, answer)) as door:
        found = call(
            to(door, "sesame"),
            ECHO,
            '{"é":1}',
            node="bob.uq",
            payload=Payload("image/png", b"\0\1"),
            seconds=3,
        )
    assert found == RpcAnswer(b"ok", Payload("text/plain", b"\1\2\3"))
    (sent,) = door.calls
    assert sent["process"] == "echo:echo:nectar"
    assert (sent["node"], sent["ipc"], sent["expects_response"]) == ("bob.uq", '{"é":1}', 3)
    assert (sent["mime"], sent["data"]) == ("image/png", "AAE=")
    assert door.tokens == ["Bearer sesame"]


def test_a_call_that_does_not_wait_expects_no_response() -> None:
    """C-118."""
    with rpc_door((200, b"")) as door:
        assert call(to(door), ECHO, "x", seconds=None) is None
    assert door.calls[0]["expects_response"] is None
    assert door.tokens == [None]


@pytest.mark.parametrize(
    ("status", "body", "problem"),
    [
        (400, b"bad base64\nmore", "refused with 400: bad base64"),
        (401, b"", "does not let us in"),
        (403, b"<html>", "refused with 403"),
        (404, b"", "no RPC route"),
        (408, b"", "echo:echo:nectar did not answer"),
        (408, b'{"error":"no process"}', "echo:echo:nectar did not answer: no process"),
        (503, b'{"error":5}', "cannot be reached"),
        (503, b"no such process", "cannot be reached: no such process"),
        (200, b"<html>", "does not answer as a node does"),
        (200, b'{"ipc":[1],"payload":{"mime":null,"bytes":[33]}}', "does not answer as a node does"),
    ],
)
def test_a_refusal_is_told_with_the_next_command(status: int, body: bytes, problem: str) -> None:
    with rpc_door((status, body)) as door, pytest.raises(CommandError) as caught:
        call(to(door), ECHO, "x")
    assert problem in caught.value.problem
    assert caught.value.next_command.startswith("nectar ")
    assert caught.value.code == 1


def test_a_door_that_is_closed_says_how_to_open_it() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    with pytest.raises(CommandError) as caught:
        call(NodeDoor("127.0.0.1", port), ECHO, "x")
    assert caught.value.next_command == "nectar boot"


def test_something_that_speaks_no_http_is_told_apart() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        door = NodeDoor("127.0.0.1", server.getsockname()[1])
        server.settimeout(5)

        def hang_up() -> None:
            connection, _ = server.accept()
            connection.recv(10_000)
            connection.sendall(b"220 smtp\r\n")
            connection.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        with pytest.raises(CommandError, match="does not answer as a node does"):
            call(door, ECHO, "x")
        thread.join()
