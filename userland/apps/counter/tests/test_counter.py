"""One replica by itself: what it answers, keeps and tells."""

from __future__ import annotations

import json
from typing import Any

import pytest

from userland.process_lib import Message
from userland.process_lib.testing import Actor, ActorTest

COUNTER = "../pkg/counter.py"
OUR = "counter:counter:nectar"
BOB = "bob.uq@counter:counter:nectar"
STATE = "our@state:sys:nectar"
NOTHING = b'{"Err":{"NotFound":{"process_id":"counter:counter:nectar"}}}'
BROKEN = b'{"Err":{"RocksDBError":{"action":"SetState","error":"the disk is full"}}}'


def ask(actor: Actor, request: object, source: str | None = None) -> Any:
    return json.loads(actor.send(json.dumps(request), expects_response=5, source=source).ipc)


def post(actor: Actor, body: str = "") -> tuple[int, Any]:
    answer = actor.push_http("POST", "/add", body=body)
    return answer.status, json.loads(answer.body)


class Other:
    """The replica of bob's node: keeps what it is told, while it `answers`."""

    def __init__(self) -> None:
        self.told: list[dict[str, int]] = []
        self.replicas: dict[str, None] = {}
        self.answers = True

    def __call__(self, message: Message) -> bytes | None:
        news = json.loads(message.ipc)["News"]
        self.told.append(news["totals"])
        self.replicas[news["replica"]] = None
        return b'"Kept"' if self.answers else None


def news(totals: dict[str, int], replica: str = "bob.uq 1") -> object:
    return {"News": {"replica": replica, "totals": totals}}


def test_it_counts_what_messages_and_browsers_add() -> None:
    with ActorTest(COUNTER, our=OUR) as actor:
        assert ask(actor, "Value") == {"value": 0}
        assert ask(actor, {"Add": 3}) == {"value": 3}
        assert post(actor) == (200, {"value": 4})
        assert post(actor, '{"amount":5}') == (200, {"value": 9})
        assert json.loads(actor.push_http("GET", "/value").body) == {"value": 9}


@pytest.mark.parametrize("amount", [0, -1, 1.5, "1", True, None, [], 1_000_001], ids=repr)
def test_what_cannot_be_added_is_refused(amount: object) -> None:
    with ActorTest(COUNTER, our=OUR) as actor:
        assert "an amount is a whole number" in ask(actor, {"Add": amount})["error"]
        assert post(actor, json.dumps({"amount": amount}))[0] == 400
        assert ask(actor, "Value") == {"value": 0}


@pytest.mark.parametrize("ipc", [b"", b"\xff", b"[" * 100_000, b"{}", b'"Values"', b'{"Add":1,"x":1}'])
def test_what_it_does_not_understand_gets_an_error(ipc: bytes) -> None:
    with ActorTest(COUNTER, our=OUR) as actor:
        assert sorted(json.loads(actor.send(ipc, expects_response=5).ipc)) == ["error"]
        assert actor.is_running


def test_other_methods_are_told_what_is_possible() -> None:
    with ActorTest(COUNTER, our=OUR) as actor:
        for method, path, allowed in (("GET", "/add", "POST"), ("POST", "/value", "GET, HEAD")):
            answer = actor.push_http(method, path)
            assert (answer.status, answer.headers["Allow"]) == (405, allowed)


def test_it_is_on_the_start_page_and_has_a_page_of_its_own() -> None:
    with ActorTest(COUNTER, our=OUR) as actor:
        assert actor.on_homepage is not None
        assert (actor.on_homepage.label, actor.on_homepage.path) == ("Counter", "/")
        assert b"<title>Counter</title>" in actor.push_http("GET", "/").body


# -- what is kept


def test_a_restart_finds_the_value_and_the_same_replica() -> None:
    bob = Other()
    with ActorTest(COUNTER, our=OUR, on={BOB: bob}) as actor:
        ask(actor, {"Replicas": ["bob.uq"]})
        ask(actor, {"Add": 3})
        state = actor.state
    with ActorTest(COUNTER, our=OUR, on={BOB: bob}, state=state) as actor:
        assert ask(actor, {"Add": 1}) == {"value": 4}
        assert ask(actor, "Replicas") == {"replicas": ["bob.uq"]}
    assert len(bob.replicas) == 1
    assert bob.told[-1] == {next(iter(bob.replicas)): 4}


def test_what_cannot_be_kept_is_not_counted_and_told_to_nobody() -> None:
    bob = Other()
    disk = [NOTHING, b'"SetState"', BROKEN, b'"SetState"']
    with ActorTest(COUNTER, our=OUR, on={STATE: lambda _: disk.pop(0), BOB: bob}) as actor:
        ask(actor, {"Replicas": ["bob.uq"]})
        assert "the disk is full" in ask(actor, {"Add": 3})["error"]
        assert ask(actor, "Value") == {"value": 0}
        assert bob.told == [{}]
        assert ask(actor, {"Add": 1}) == {"value": 1}
        assert [sorted(told.values()) for told in bob.told] == [[], [1]]


@pytest.mark.parametrize(
    "state",
    [b"", b"\xff", b"[]", b'{"version":2}', b'{"version":1,"replica":"a","totals":{"a":-1},"others":[]}'],
)
def test_a_state_that_cannot_be_read_is_left_alone(state: bytes) -> None:
    """The process ends, and the node says why: counting on from 0 would soon overwrite the real one."""
    with ActorTest(COUNTER, our=OUR, state=state) as actor:
        assert not actor.is_running
        assert actor.last_error is not None
        assert actor.state == state


def test_a_counter_is_full_before_javascript_cannot_hold_it() -> None:
    with ActorTest(COUNTER, our=OUR) as actor:
        ask(actor, {"Replicas": ["bob.uq"]})
        assert ask(actor, news({"b": 2**53 - 2}), source=BOB) == "Kept"
        assert ask(actor, {"Add": 1}) == {"value": 2**53 - 1}
        assert "a counter goes to" in ask(actor, {"Add": 1})["error"]
        assert "a counter goes to" in ask(actor, news({"c": 1}), source=BOB)["error"]
        assert post(actor)[0] == 409


# -- the others


def test_the_others_are_told_what_is_new_and_nothing_else() -> None:
    bob = Other()
    with ActorTest(COUNTER, our=OUR, on={BOB: bob}) as actor:
        assert ask(actor, {"Replicas": ["bob.uq", "fake.dev", "bob.uq"]}) == {"replicas": ["bob.uq"]}
        ask(actor, {"Add": 3})
        ask(actor, "Value")
        ask(actor, {"Add": 2})
        assert [list(told.values()) for told in bob.told] == [[], [3], [5]]


def test_who_does_not_answer_is_told_again_less_and_less_often_until_it_does() -> None:
    bob = Other()
    bob.answers = False
    with ActorTest(COUNTER, our=OUR, on={BOB: bob}) as actor:
        ask(actor, {"Replicas": ["bob.uq"]})
        ask(actor, {"Add": 3})
        actor.advance(300)
        assert 8 <= len(bob.told) <= 16
        bob.answers = True
        actor.advance(40)
        count = len(bob.told)
        actor.advance(300)
        assert len(bob.told) == count
        assert list(bob.told[-1].values()) == [3]


def test_news_are_merged_whatever_their_order_and_however_often_they_come() -> None:
    with ActorTest(COUNTER, our=OUR) as actor:
        ask(actor, {"Replicas": ["bob.uq"]})
        ask(actor, {"Add": 1})
        for totals in ({"b": 2}, {"b": 5, "c": 1}, {"b": 2}, {"b": 5, "c": 1}):
            assert ask(actor, news(totals), source=BOB) == "Kept"
        assert ask(actor, "Value") == {"value": 7}


def test_a_replica_that_has_lost_everything_is_told_everything() -> None:
    bob = Other()
    with ActorTest(COUNTER, our=OUR, on={BOB: bob}) as actor:
        ask(actor, {"Replicas": ["bob.uq"]})
        ask(actor, news({"bob.uq 1": 5}), source=BOB)
        ask(actor, {"Add": 1})
        actor.advance(1)
        before = len(bob.told)
        ask(actor, news({}, "bob.uq 2"), source=BOB)
        assert [sorted(told.values()) for told in bob.told[before:]] == [[1, 5]]


@pytest.mark.parametrize("source", ["carol.uq@counter:counter:nectar", "bob.uq@other:counter:nectar"])
def test_nobody_else_tells_it_anything(source: str) -> None:
    with ActorTest(COUNTER, our=OUR) as actor:
        ask(actor, {"Replicas": ["bob.uq"]})
        assert "is no replica of this counter" in ask(actor, news({"b": 5}), source=source)["error"]
        assert "another node may tell" in ask(actor, {"Add": 5}, source=source)["error"]
        assert ask(actor, "Value") == {"value": 0}
