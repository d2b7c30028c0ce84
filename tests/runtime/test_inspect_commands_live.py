"""`ps`, `top`, `caps`, `trace` and `logs` as programs, against a node that runs."""

from __future__ import annotations

import json
import os
import re
import select
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.live_node import NECTAR, LiveNode, Person, json_of, write_package
from tests.support.live_process import clean_environment

ACTOR = """
from userland.process_lib import *

async def init(our):
    while True:
        message = await await_message()
        print_to_terminal(0, f"heard {message.ipc.decode()}\\nand more")
        Response().ipc(b"got " + message.ipc).send()
"""
APP = "app:app:me"


@pytest.fixture(scope="module")
def person(tmp_path_factory: pytest.TempPathFactory) -> Person:
    return Person(tmp_path_factory.mktemp("looks"))


@pytest.fixture(scope="module")
def node(person: Person) -> Iterator[LiveNode]:
    quiet = {"process_name": "quiet", "process_path": "/app.py"}
    folder = write_package(person.home / "app", ACTOR, quiet, public=True)
    with person.dev(folder, "--home", "home") as node:
        yield node


@pytest.fixture
def asked(person: Person, node: LiveNode) -> Person:
    assert person.nectar("inject-message", APP, "hello", "--url", node.url).out == "got hello\n"
    return person


def test_ps_tells_what_a_process_received(asked: Person, node: LiveNode):
    table = asked.nectar("ps", "--url", node.url).out.splitlines()
    assert table[0].split() == ["ID", "STATE", "MAILBOX", "BYTES", "RECEIVED", "RESTARTS", "LAST", "ERROR"]
    (row,) = [line.split() for line in table if line.startswith(APP)]
    assert (row[3], int(row[4]) >= 1) == ("0", True)
    rows = json_of(asked.nectar("ps", "--json", "--url", node.url).out)
    assert {tuple(row) for row in rows} == {("id", "state", "mailbox", "restarts", "last_error")}


def test_top_into_a_pipe_is_one_table_with_rates(asked: Person, node: LiveNode):
    said = asked.nectar("top", "--url", node.url)
    titles = ["ID", "STATE", "MAILBOX", "BYTES", "PER", "SECOND", "BUSY", "RESTARTS", "LAST", "ERROR"]
    assert (said.code, said.out.splitlines()[0].split()) == (0, titles)
    (row,) = [line.split() for line in said.out.splitlines() if line.startswith(APP)]
    assert row[5].endswith("%")
    rows = json_of(asked.nectar("top", "--json", "--url", node.url).out)
    # It asks the kernel twice a second.
    (kernel,) = [row for row in rows if row["id"] == "kernel:sys:nectar"]
    assert 0.1 < kernel["per_second"] <= 3
    assert 0 < kernel["busy"] < 1


def test_top_at_a_terminal_ends_with_q(person: Person, node: LiveNode):
    ours, theirs = os.openpty()
    running = subprocess.Popen(
        [*NECTAR, "top", "--url", node.url],
        env=clean_environment(person.home) | {"TERM": "xterm"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    try:
        shown = b""
        while b"ID " not in shown:
            assert select.select([ours], [], [], 20)[0], shown
            shown += os.read(ours, 4096)
        os.write(ours, b"q")
        assert running.wait(20) == 0
        assert b"messages a second; q ends this" in shown
    finally:
        running.kill()
        running.wait()
        os.close(ours)


def test_caps_of_all_and_of_one(person: Person, node: LiveNode):
    assert re.search(rf"{APP} +everybody +\S", person.nectar("caps", "--url", node.url).out)
    one = json_of(person.nectar("caps", APP, "--json", "--url", node.url).out)[0]
    assert (one["id"], one["public"]) == (APP, True)
    assert {"issuer": f"fake.dev@{APP}", "params": '"messaging"'} in one["capabilities"]
    said = person.nectar("caps", "no:no:no", "--url", node.url)
    assert (said.code, "there is no process no:no:no" in said.err) == (1, True)


@pytest.mark.parametrize(
    ("source", "target", "code", "why"),
    [
        ("quiet:app:me", APP, 0, f"quiet:app:me may message {APP}: {APP} is public"),
        (APP, "quiet:app:me", 1, 'add "quiet:app:me" to "request_capabilities"'),
    ],
)
def test_caps_explain(person: Person, node: LiveNode, source: str, target: str, code: int, why: str):
    said = person.nectar("caps", "explain", source, target, "--url", node.url)
    assert (said.code, why in said.out) == (code, True), said
    answer = json_of(person.nectar("caps", "explain", source, target, "--json", "--url", node.url).out)
    assert answer["allowed"] is (code == 0)


@pytest.mark.parametrize("words", [("explain", APP), ("a:b:c", "d:e:f"), ("no id",)])
def test_what_caps_does_not_understand_is_a_usage_error(person: Person, node: LiveNode, words):
    assert person.nectar("caps", *words, "--url", node.url).code == 2


def test_a_trace_tells_who_said_what_and_draws_it(person: Person, node: LiveNode):
    first = person.nectar("trace", "--keep", "500", "--url", node.url)
    assert first.code == 0
    person.nectar("inject-message", APP, "traced", "--url", node.url)
    person.nectar("inject-message", "nobody:app:me", "lost", "--url", node.url)
    told = person.nectar("trace", "--url", node.url).out
    assert f"asks fake.dev@{APP}: traced" in told
    assert f"fake.dev@{APP} answers fake.dev@http_server:sys:nectar: got traced" in told
    assert "no_such_process" in told
    assert "kernel:sys:nectar" not in told
    events = [
        json.loads(line) for line in person.nectar("trace", "--jsonl", "--url", node.url).out.splitlines()
    ]
    assert any(event["message"] and event["message"]["ipc"] == "got traced" for event in events)
    assert "sequenceDiagram" in person.nectar("trace", "--mermaid", "--url", node.url).out
    drawn = person.nectar("trace", "--svg", "trace.svg", "--url", node.url)
    assert (drawn.code, drawn.out) == (0, "drawn: trace.svg\n")
    assert "got traced" in (person.home / "trace.svg").read_text()
    assert person.nectar("trace", "--svg", "no/where.svg", "--url", node.url).code == 1
    assert person.nectar("trace", "--off", "--url", node.url).code == 0
    again = person.nectar("trace", "--url", node.url)
    assert "nothing was kept so far; from now on" in again.err


def test_what_was_dropped_is_told(person: Person, node: LiveNode):
    said = person.nectar("trace", "--dropped", "--url", node.url)
    assert (said.code, said.out) == (0, "nothing was dropped\n")
    assert json_of(person.nectar("trace", "--dropped", "--json", "--url", node.url).out)["total"] == 0


def test_logs_of_one_process(asked: Person):
    said = asked.nectar("logs", "--home", "home", "--process", APP, "-n", "1")
    assert re.fullmatch(rf"\S+Z fake\.dev@{APP} heard hello\n    and more\n", said.out), said
    line = json_of(asked.nectar("logs", "--home", "home", "--process", APP, "-n", "1", "--json").out)
    assert (line["source"], line["text"]) == (f"fake.dev@{APP}", "heard hello\nand more")


def test_logs_of_what_is_no_home(person: Person, tmp_path: Path):
    said = person.nectar("logs", "--home", tmp_path)
    assert (said.code, "is not the home of a node" in said.err) == (1, True)


def test_a_running_node_tells_what_it_printed(asked: Person, node: LiveNode):
    asked.nectar("inject-message", APP, "odd\x1b[2J", "--url", node.url)
    said = asked.nectar("logs", "--url", node.url, "--process", APP, "-n", "1")
    assert re.fullmatch(rf"\S+Z fake\.dev@{APP} heard odd\\x1b\[2J\n    and more\n", said.out), said
    line = json_of(
        asked.nectar("logs", "--url", node.url, "--process", APP, "--verbosity", "0", "-n", "1", "--json").out
    )
    assert line == line | {"source": f"fake.dev@{APP}", "text": "heard odd\x1b[2J\nand more", "verbosity": 0}
    same = asked.nectar("logs", "--home", "home", "--process", APP, "-n", "1", "--json")
    assert json_of(same.out)["time"] == line["time"]


def test_a_running_node_is_followed(asked: Person, node: LiveNode):
    words = ("logs", "--url", node.url, "--process", APP, "-n", "1", "-f")
    with subprocess.Popen(
        [*NECTAR, *words], env=clean_environment(asked.home), stdout=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        assert "heard" in running.stdout.readline()
        assert "and more" in running.stdout.readline()
        asked.nectar("inject-message", APP, "later", "--url", node.url)
        assert "heard later" in running.stdout.readline()
        running.terminate()


def test_logs_of_a_node_that_is_not_there(person: Person):
    said = person.nectar("logs", "--url", "http://127.0.0.1:9")
    assert (said.code, "no node listens at http://127.0.0.1:9" in said.err) == (1, True)
