from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest

from userland.process_lib import Payload
from userland.process_lib.testing import Actor, ActorTest

FIBONACCI = "../pkg/fibonacci.py"
OUR = "fibonacci:fibonacci:nectar"


def ask(actor: Actor, request: object) -> Any:
    return json.loads(actor.send(json.dumps(request), expects_response=5).ipc)


def test_each_number_is_the_sum_of_the_two_before_it() -> None:
    with ActorTest(FIBONACCI, our=OUR) as actor:
        found = [0, 1]
        for first in range(2, 500, 50):
            found += [int(n) for n in ask(actor, {"Numbers": list(range(first, first + 50))})["Numbers"]]
        assert all(b + c == d for (b, c), d in zip(pairwise(found), found[2:], strict=False))
        assert ask(actor, {"Numbers": [0, 1, 10]}) == {"Numbers": [0, 1, 55]}
        assert ask(actor, {"Number": 10}) == {"Number": 55}


def test_numbers_that_javascript_cannot_hold_are_text() -> None:
    with ActorTest(FIBONACCI, our=OUR) as actor:
        assert ask(actor, {"Numbers": [78, 79]}) == {"Numbers": [8944394323791464, "14472334024676221"]}


def test_the_largest_is_whole_and_beyond_it_nothing_is_computed() -> None:
    with ActorTest(FIBONACCI, our=OUR) as actor:
        a, b = 0, 1
        for _ in range(10_000):
            a, b = b, a + b
        assert ask(actor, {"Number": 10_000}) == {"Number": str(a)}
        for n in (10_001, 10**4000, -1, 1.5, "10", True, None, [10], {"n": 10}):
            assert "a whole number from 0 to 10000" in ask(actor, {"Number": n})["Error"]
        assert actor.push_http("GET", "/" + "9" * 8000).status == 400


@pytest.mark.parametrize(
    "ipc",
    [b"", b"\xff", b"[" * 100_000, b"9" * 5000, b"{}", b'"Number"', b'{"Number":1,"Numbers":[]}', b'{"Numbers":5}',
     b'{"Numbers":[%b1]}' % (b"1," * 50)],
    ids=lambda ipc: repr(ipc[:20]),
)  # fmt: skip
def test_what_it_does_not_understand_gets_an_error(ipc: bytes) -> None:
    with ActorTest(FIBONACCI, our=OUR) as actor:
        answer = actor.send(ipc, Payload(None, b"left alone"), expects_response=5)
        assert sorted(json.loads(answer.ipc)) == ["Error"]


def test_a_path_is_answered_with_its_number() -> None:
    with ActorTest(FIBONACCI, our=OUR) as actor:
        answer = actor.push_http("GET", "/10")
        assert (answer.status, json.loads(answer.body)) == (200, {"Number": 55})
        assert answer.headers["Content-Type"] == "application/json"
        for path in ("/x", "/-1", "/1.5", "/10001", "/10/5", "/²"):
            answer = actor.push_http("GET", path)
            assert (answer.status, sorted(json.loads(answer.body))) == (400, ["Error"])


def test_its_root_is_a_page_for_those_who_are_logged_in() -> None:
    with ActorTest(FIBONACCI, our=OUR) as actor:
        page = actor.push_http("GET", "/")
        assert page.status == 200
        assert page.headers["Content-Type"] == "text/html"
        assert b"<title>Fibonacci</title>" in page.body
        assert [(bound.path, bound.authenticated) for bound in actor.bound] == [("/", True)]
        assert actor.on_homepage is not None
        assert (actor.on_homepage.label, actor.on_homepage.path) == ("Fibonacci", "/")


def test_other_methods_are_told_what_is_possible() -> None:
    with ActorTest(FIBONACCI, our=OUR) as actor:
        answer = actor.push_http("POST", "/10")
        assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")


def test_without_its_files_the_numbers_are_still_there() -> None:
    with ActorTest(FIBONACCI, our=OUR, on={"our@vfs:sys:nectar": b"nonsense"}) as actor:
        assert actor.push_http("GET", "/").status == 503
        assert json.loads(actor.push_http("GET", "/7").body) == {"Number": 13}


def test_who_wants_no_answer_gets_none() -> None:
    with ActorTest(FIBONACCI, our=OUR) as actor:
        before = len(actor.sent)
        actor.send('{"Number":10}')
        assert len(actor.sent) == before
        assert actor.is_running
