"""Nodes as programs of their own on one machine: found without a flag or by a peers file, killed, booted again."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import attrs
import pytest

from kernel.jsontext import JsonValue
from runtime.command_error import CommandError
from tests.support.live_node import LiveNode, Person, Said, json_of, wait_until, write_package

COUNTER = """
from userland.process_lib import *

async def init(our):
    while True:
        try:
            message = await await_message()
            if not message.is_request():
                continue
            verb, _, rest = message.ipc.decode().partition(" ")
            if verb == "add":
                count = int(await get_state() or b"0") + 1
                await set_state(b"%d" % count)
                Response().ipc(str(count)).send()
            elif verb == "pass":
                answer = await Request().target(rest).ipc("add").send_and_await_response(10)
                Response().ipc(answer.ipc).send()
        except SendError as error:
            Response().ipc(f"{error.kind} {error.reason}").send()
"""
APP = "app:app:me"
NET = "net:sys:nectar"
OFFLINE_SECONDS = 6.0


@pytest.fixture
def person(tmp_path: Path) -> Person:
    return Person(tmp_path)


@pytest.fixture
def counter(person: Person) -> Path:
    return write_package(person.home / "app", COUNTER, request_networking=True)


@pytest.fixture
def nodes(person: Person, counter: Path) -> Iterator[Nodes]:
    with ExitStack() as stack:
        yield Nodes(person, counter, stack)


@attrs.define
class Nodes:
    """By name, each in the home of its name. Those that still run are ended with the test."""

    person: Person
    package: Path
    stack: ExitStack
    running: dict[str, LiveNode] = attrs.Factory(dict)

    def start(self, name: str, *more: str | Path, port: int = 0, **environment: str) -> LiveNode:
        arguments = ["dev", self.package, "--name", name, "--home", self.home(name), *more]
        node = self.stack.enter_context(self.person.node(*arguments, port=port, **environment))
        self.running[name] = node
        return node

    def home(self, name: str) -> Path:
        return self.person.home / name

    def nectar(self, name: str, *arguments: str | Path) -> Said:
        """A command to that node."""
        return self.person.nectar(*arguments, "--home", self.home(name))

    def ask(self, name: str, to: str, ipc: str, process: str = APP) -> str:
        """What the process on `to` answers to that node, or why it cannot be reached."""
        try:
            return self.running[name].send(process, ipc, node=to).ipc.decode()
        except CommandError as error:
            return f"{error}"

    def meet(self) -> None:
        """Until all that run have read of each other in the shared folder, which takes a moment."""

        def met() -> bool:
            return all(self.running.keys() - {name} <= self.states(name).keys() for name in self.running)

        wait_until(met, "all nodes to know each other")

    def hi(self, name: str, to: str) -> str:
        return self.ask(name, to, "good morning", NET)

    def states(self, name: str) -> dict[str, JsonValue]:
        listed = json_of(self.ask(name, name, '"GetStates"', NET))
        assert isinstance(listed, dict)
        assert isinstance(listed["States"], list)
        return {str(peer["name"]): peer["state"] for peer in listed["States"] if isinstance(peer, dict)}


def test_two_nodes_of_one_machine_find_each_other_without_a_flag(nodes: Nodes) -> None:
    a, b = nodes.start("a"), nodes.start("b")
    nodes.meet()
    assert nodes.nectar("a", "hi", "b", "good morning") == Said(0, "delivered\n", "")
    b.wait_logged("a@http_server:sys:nectar: good morning")
    assert nodes.nectar("a", "inject-message", APP, "add", "--node", "b") == Said(0, "1\n", "")
    assert nodes.ask("b", "a", "pass b@app:app:me") == "2"
    assert nodes.nectar("a", "peers").out.splitlines()[1].startswith("b     up ")
    assert (nodes.states("a"), nodes.states("b")) == ({"b": "up"}, {"a": "up"})
    assert b.stop() == 0
    gone = nodes.nectar("a", "hi", "b", "good morning")
    assert (gone.code, gone.out, gone.advice) == (1, "", "nectar peers")
    assert nodes.states("a").get("b") in {None, "idle", "resting"}
    assert a.stop() == 0


def test_three_nodes_one_of_which_is_killed_and_booted_again(nodes: Nodes) -> None:
    """C-168. Nothing is handled twice."""
    for name in ("alice.uq", "bob.uq", "carol.uq"):
        nodes.start(name)
    nodes.meet()
    assert nodes.ask("alice.uq", "bob.uq", "add") == "1"
    assert nodes.ask("carol.uq", "bob.uq", "add") == "2"
    assert nodes.ask("carol.uq", "alice.uq", "pass bob.uq@app:app:me") == "3"

    bob = nodes.running["bob.uq"].process
    bob.send_signal(signal.SIGKILL)
    bob.wait()
    started = time.monotonic()
    assert nodes.ask("carol.uq", "alice.uq", "pass bob.uq@app:app:me").startswith("Offline ")
    assert "bob.uq@app:app:me cannot be reached" in nodes.ask("carol.uq", "bob.uq", "add")
    assert time.monotonic() - started < 2 * OFFLINE_SECONDS

    nodes.start("bob.uq")
    answers: list[str] = []

    def flows() -> bool:
        answers.append(nodes.ask("carol.uq", "alice.uq", "pass bob.uq@app:app:me"))
        return not answers[-1].startswith("Offline ")

    wait_until(flows, "a message to bob")
    assert answers[-1] == "4"
    assert nodes.ask("bob.uq", "carol.uq", "add") == "1"


def test_a_node_without_an_address_is_reached_through_its_router(nodes: Nodes) -> None:
    """C-170, C-168. The router is killed and booted again, and nothing is handled twice."""
    nodes.start("alice.uq")
    nodes.start("bob.uq", "--allow-routing", "2")
    for name in ("carol.uq", "dave.uq"):
        nodes.start(name, "--router", "bob.uq")
        wait_until(lambda: nodes.states(name)["bob.uq"] == "up", "the link with the router")  # noqa: B023 - called here
    nodes.meet()
    assert nodes.ask("alice.uq", "carol.uq", "add") == "1"
    assert nodes.ask("dave.uq", "carol.uq", "add") == "2"
    assert nodes.ask("carol.uq", "bob.uq", "pass carol.uq@app:app:me") == "3"
    assert 'routers = ["bob.uq"]' in nodes.nectar("carol.uq", "id").out
    assert "address" not in nodes.nectar("carol.uq", "id").out
    listed = nodes.nectar("carol.uq", "peers").out.splitlines()
    assert [line.split()[:2] for line in listed[1:]] == [
        ["alice.uq", "up"],
        ["bob.uq", "up"],
        ["dave.uq", "up"],
    ]

    bob = nodes.running["bob.uq"].process
    bob.send_signal(signal.SIGKILL)
    bob.wait()
    started = time.monotonic()
    assert "cannot be reached" in nodes.ask("alice.uq", "carol.uq", "add")
    assert time.monotonic() - started < OFFLINE_SECONDS

    nodes.start("bob.uq", "--allow-routing", "2")
    answers: list[str] = []

    def flows() -> bool:
        answers.append(nodes.ask("dave.uq", "carol.uq", "add"))
        return answers[-1].isdigit()

    wait_until(flows, "a message to carol")
    assert answers[-1] == "4"


@pytest.mark.parametrize(
    ("routers", "problem", "advice"),
    [
        (
            ["bob.uq"],
            "no node 'bob.uq' is known, so it cannot be a router",
            "--peers peers.toml --router bob.uq",
        ),
        (["a.uq"], "a.uq cannot be its own router", "--port 0"),
    ],
)
def test_a_node_whose_router_is_none_is_not_booted(
    person: Person, counter: Path, routers: list[str], problem: str, advice: str
) -> None:
    said = person.nectar("dev", counter, "--name", "a.uq", "--port", "0", "--router", *routers)
    assert (said.code, said.out) == (1, "")
    assert problem in said.err
    assert said.advice.endswith(advice) or f"{advice} " in said.advice


def test_nodes_that_know_each_other_by_peers_files(nodes: Nodes) -> None:
    """`nectar id` prints what the other one's file needs. A file is read again while its node runs."""
    files = {name: nodes.person.home / f"peers of {name}.toml" for name in ("near", "far")}
    for name, file in files.items():
        file.write_text("")
        apart = str(nodes.person.home / f"machine of {name}")
        nodes.start(name, "--peers", file, NECTAR_LOCAL_DIRECTORY=apart)
    assert nodes.states("near") == {}
    assert "far@net:sys:nectar cannot be reached" in nodes.hi("near", "far")
    blocks = {name: nodes.nectar(name, "id").out for name in files}
    files["near"].write_text(blocks["far"])
    files["far"].write_text(blocks["near"])
    wait_until(lambda: nodes.hi("near", "far") == "delivered", "a hello to far")
    assert nodes.states("far") == {"near": "up"}
    assert nodes.running["near"].stop() == 0
    assert nodes.nectar("near", "id") == Said(0, blocks["near"], "")


def test_a_node_whose_key_is_not_the_one_in_the_peers_file_is_refused(nodes: Nodes) -> None:
    """C-166."""
    far = nodes.start("far")
    block = nodes.nectar("far", "id").out
    key = block.partition('key = "0x')[2][:64]
    peers = nodes.person.home / "peers.toml"
    peers.write_text(block.replace(key, "ab" * 32))
    near = nodes.start("near", "--peers", peers)
    assert "far@net:sys:nectar cannot be reached" in nodes.hi("near", "far")
    near.wait_logged(f"0x{key}")
    assert "good morning" not in far.process.err


def test_a_peers_file_that_cannot_be_used_is_told_with_the_command_without_it(
    person: Person, counter: Path
) -> None:
    peers = person.home / "peers.toml"
    for text in (None, "[[peer]]\nname = 7\n"):
        if text is not None:
            peers.write_text(text)
        said = person.nectar("dev", counter, "--port", "0", "--peers", peers)
        assert (said.code, said.out) == (1, "")
        assert str(peers) in said.err
        assert said.advice == f"nectar dev --port 0 {counter}"
