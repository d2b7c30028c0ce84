"""`nectar terminal` at a pipe and at a terminal, against a node that runs."""

from __future__ import annotations

import json
import os
import select
import subprocess
from collections.abc import Iterator

import pytest

from tests.support.live_node import NECTAR, LiveNode, Person, write_package
from tests.support.live_process import clean_environment

ACTOR = """
from userland.process_lib import *

async def init(our):
    while True:
        message = await await_message()
        Response().ipc(b"got " + message.ipc).send()
"""
APP = "app:app:me"


@pytest.fixture(scope="module")
def person(tmp_path_factory: pytest.TempPathFactory) -> Person:
    return Person(tmp_path_factory.mktemp("terminal"))


@pytest.fixture(scope="module")
def node(person: Person) -> Iterator[LiveNode]:
    with person.dev(write_package(person.home / "app", ACTOR, public=True), "--home", "home") as node:
        yield node


def test_lines_of_a_pipe_are_done_in_order_and_a_failure_is_the_exit_code(person: Person, node: LiveNode):
    typed = f"m {APP} one -a 5\nnope\n\necho two\n"
    said = person.nectar("terminal", "--home", "home", stdin=typed)
    assert (said.code, said.out) == (1, "got one\ntwo\n")
    assert said.err == "nope: there is no command 'nope'; `help` lists them\n"
    said = person.nectar("terminal", "--url", node.url, "--json", stdin="echo two\n")
    assert (said.code, json.loads(said.out)) == (0, {"line": "echo two", "ok": True, "text": "two"})


def test_without_a_node_it_says_so(person: Person):
    said = person.nectar("terminal", "--url", "http://127.0.0.1:9", stdin="")
    assert (said.code, "no node listens" in said.err) == (1, True)


def test_at_a_terminal_words_are_completed_and_remembered(person: Person, node: LiveNode):
    ours, theirs = os.openpty()
    running = subprocess.Popen(
        [*NECTAR, "terminal", "--home", "home"],
        cwd=person.home,
        env=clean_environment(person.home) | {"TERM": "dumb"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)

    def until(text: bytes) -> None:
        seen = b""
        while text not in seen:
            assert select.select([ours], [], [], 20)[0], seen
            seen += os.read(ours, 4096)

    try:
        until(b"> ")
        os.write(ours, b"ech\thello\n")
        until(b"\nhello\r\n> ")
        os.write(ours, b"m app:\thi -a 5\n")
        until(b"got hi\r\n> ")
        os.write(ours, b"m app:app:me \x16\x1b[31mred -a 5\n")
        until(b"got \\x1b[31mred\r\n> ")
        os.write(ours, b"exit\n")
        assert running.wait(20) == 0
    finally:
        running.kill()
        running.wait()
        os.close(ours)
    history = person.home / "home" / "terminal_history"
    assert history.read_text().splitlines() == [
        "echo hello",
        f"m {APP} hi -a 5",
        f"m {APP} \x1b[31mred -a 5",
        "exit",
    ]
    assert history.stat().st_mode & 0o777 == 0o600
