"""`ps`, `kill` and `inject-message` as programs, with every flag, against a node that runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.live_node import LiveNode, Person, json_of, wait_until, write_package

ACTOR = """
from userland.process_lib import *

heard = []

async def init(our):
    while True:
        try:
            message = await await_message()
            match message.ipc:
                case b"silence":
                    pass
                case b"crash":
                    raise RuntimeError("as told")
                case b"heard":
                    Response().ipc(b",".join(heard)).send()
                case b"bytes":
                    Response().ipc(b"\\xff\\x00").send()
                case other:
                    heard.append(other)
                    payload = get_payload()
                    Response().ipc(b"got " + other).payload(payload).send()
        except SendError as error:
            println(error)
"""
APP = "app:app:me"


@pytest.fixture(scope="module")
def person(tmp_path_factory: pytest.TempPathFactory) -> Person:
    return Person(tmp_path_factory.mktemp("cli"))


@pytest.fixture(scope="module")
def node(person: Person) -> Iterator[LiveNode]:
    other = {"process_name": "victim", "process_path": "/app.py", "public": True}
    secret = {"process_name": "secret", "process_path": "/app.py"}
    with person.dev(
        write_package(person.home / "app", ACTOR, other, secret), "--home", person.home / "node"
    ) as node:
        yield node


def test_a_node_is_found_by_its_home_by_its_url_and_in_the_default_home(person: Person, node: LiveNode):
    """C-162."""
    home = person.home / "node"
    by_home, by_url = (
        person.nectar("ps", "--json", "--home", home),
        person.nectar("ps", "--json", "--url", node.url),
    )
    assert by_home.code == by_url.code == 0
    assert APP in by_home.out
    assert by_home.out == by_url.out
    default = person.home / "data" / "nectar"
    default.parent.mkdir()
    default.symlink_to(home)
    assert person.nectar("ps", "--json").out == by_home.out
    default.unlink()


def test_ps_as_json_has_the_promised_keys(person: Person, node: LiveNode):
    listed = json_of(person.nectar("ps", "--json", "--url", node.url).out)
    assert isinstance(listed, list)
    assert {"id": APP, "state": "running", "mailbox": 0, "restarts": 0, "last_error": None} in listed
    assert all(
        isinstance(line, dict) and list(line) == ["id", "state", "mailbox", "restarts", "last_error"]
        for line in listed
    )


def test_ps_shows_restarts_and_the_last_error(person: Person, node: LiveNode):
    before = node.processes()[APP]["restarts"]
    assert isinstance(before, int)
    assert person.nectar("inject-message", APP, "crash", "--non-block", "--url", node.url).code == 0
    wait_until(lambda: node.processes()[APP]["restarts"] == before + 1)
    said = person.nectar("ps", "--url", node.url)
    line = next(line for line in said.out.splitlines() if line.startswith(APP))
    assert "RuntimeError: as told at /app:me/pkg/app.py:" in line


def test_a_killed_process_is_gone_and_not_killed_again(person: Person, node: LiveNode):
    said = person.nectar("kill", "victim:app:me", "--url", node.url)
    assert (said.code, said.out, said.err) == (0, "killed victim:app:me\n", "")
    again = person.nectar("kill", "victim:app:me", "--url", node.url)
    assert (again.code, again.out) == (1, "")
    assert "there is no process victim:app:me" in again.err
    assert again.advice == "nectar ps"


def test_inject_message_prints_the_bytes_of_the_answer_and_a_newline(node: LiveNode, person: Person):
    assert person.nectar("inject-message", APP, '{"a": "ü"}', "--url", node.url).out == 'got {"a": "ü"}\n'
    said = person.nectar("inject-message", APP, "bytes", "--json", "--url", node.url)
    assert json_of(said.out) == {"ipc_base64": "/wA=", "payload": None}


def test_inject_message_that_does_not_block_is_heard_all_the_same(node: LiveNode, person: Person):
    said = person.nectar("inject-message", APP, "unheard", "--non-block", "--url", node.url)
    assert (said.code, said.out, said.err) == (0, "", "")
    wait_until(lambda: b"unheard" in node.send(APP, "heard").ipc)


def test_inject_message_carries_a_payload_of_a_megabyte(node: LiveNode, person: Person, tmp_path: Path):
    (tmp_path / "f").write_bytes(bytes(range(256)) * 4096)
    said = person.nectar("inject-message", APP, "x", "--json", "--payload", tmp_path / "f", "--url", node.url)
    answer = json.loads(said.out)
    assert answer["payload"]["mime"] is None
    assert len(answer["payload"]["base64"]) > 1_000_000


@pytest.mark.parametrize(
    ("argv", "problem"),
    [
        (["silence", "--timeout", "1"], "did not answer: no answer within 1 s"),
        (["x", "--node", "bob.uq"], "no node 'bob.uq' is known here"),
        (["x", "--payload", "/nowhere/file"], "cannot read /nowhere/file: No such file"),
        (["x", "--payload", "/"], "cannot read /: Is a directory"),
    ],
)
def test_a_message_without_an_answer_fails_and_says_why(
    argv: list[str], problem: str, node: LiveNode, person: Person
):
    said = person.nectar("inject-message", APP, *argv, "--url", node.url)
    assert (said.code, said.out) == (1, "")
    assert problem in said.err
    assert said.advice


@pytest.mark.parametrize(
    ("process", "problem"),
    [
        ("none:none:me", "did not answer: no process none:none:me on fake.dev; `nectar ps` lists"),
        ("secret:app:me", "lacks the messaging capability of secret:app:me"),
    ],
)
def test_a_process_that_cannot_be_reached_fails_at_once(
    process: str, problem: str, node: LiveNode, person: Person
):
    """P07: without waiting for the timeout, which is longer than the test may take."""
    said = person.nectar("inject-message", process, "x", "--timeout", "1000", "--url", node.url)
    assert said.code == 1
    assert problem in said.err
    assert said.advice == "nectar ps"


def test_without_a_node_a_command_says_how_to_get_one(person: Person, tmp_path: Path):
    said = person.nectar("ps", "--home", tmp_path)
    assert (said.code, said.advice) == (1, f"nectar boot {tmp_path}")
