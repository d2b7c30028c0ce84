"""A process that runs tests: what it answers, and where it says that a test failed."""

from __future__ import annotations

import json

import pytest

from userland.process_lib import sleep
from userland.process_lib.tester import run_tests
from userland.process_lib.testing import ActorTest

EARLY = {"Run": {"input_node_names": ["first.dev", "second.dev"], "test_timeout": 60}}
LATER = {"Run": {"input_node_names": ["first.dev"], "test_names": ["t:t:me"], "test_timeout": 60}}
ran: list[str] = []


async def passes(nodes):
    ran.append(",".join(nodes))


async def fails(nodes):
    raise ValueError(nodes)


async def hangs(nodes):
    await sleep(1000)


def ask(request, *tests):
    async def init(our):
        await run_tests(*tests)

    ran.clear()
    with ActorTest(init, our="t:t:me") as actor:
        actor.send("no request")
        return json.loads(actor.send(json.dumps(request), expects_response=100).ipc)


def test_nothing_that_is_sent_to_it_stops_it():
    """C-172."""

    async def init(our):
        await run_tests(passes)

    with ActorTest(init, our="t:t:me") as actor:
        for ipc in (b"", b"\xff", b"{}", b'{"Run":{"input_node_names":[1],"test_timeout":60}}', b"[" * 3000):
            actor.send(ipc)
        assert actor.send(json.dumps(EARLY), expects_response=100).ipc == b'"Pass"'


@pytest.mark.parametrize(("request_", "answer"), [(EARLY, "Pass"), (LATER, {"Run": {"Ok": None}})])
def test_all_are_run_with_the_names_of_the_nodes(request_, answer):
    assert ask(request_, passes, passes) == answer
    assert ran == [",".join(request_["Run"]["input_node_names"])] * 2


def test_the_first_failure_ends_the_round_and_names_its_line():
    failed = ask(EARLY, passes, fails, passes)["Fail"]
    line = fails.__code__.co_firstlineno + 1
    assert (failed["test"], failed["file"], failed["line"], failed["column"]) == ("fails", __file__, line, 5)
    assert len(ran) == 1


def test_a_test_without_lines_of_its_own_fails_without_one():
    failed = ask(LATER, int)["Run"]["Err"]
    assert failed == {"test": "int", "file": "", "line": 0, "column": 0}


def test_who_does_not_end_in_time_has_failed():
    assert ask(EARLY, passes, hangs)["Fail"]["test"] == "hangs"
