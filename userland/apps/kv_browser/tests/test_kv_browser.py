from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest

from userland.process_lib.testing import Actor, ActorTest

CODE = "../pkg/kv_browser.py"
OUR = "kv_browser:kv_browser:nectar"


def put(actor: Actor, key: str, value: bytes = b"1") -> None:
    answer = actor.push_http("PUT", f"/values/{quote(key, safe='')}", body=value)
    assert answer.status == 200, answer.body


def listed(actor: Actor, **query: str) -> Any:
    return json.loads(actor.push_http("GET", "/keys", query=query).body)


def keys(actor: Actor, **query: str) -> list[str]:
    return [one["key"] for one in listed(actor, **query)["Keys"]]


def ask(actor: Actor, question: object) -> Any:
    return json.loads(actor.send(json.dumps(question), expects_response=5).ipc)


def test_what_is_set_is_listed_in_order_and_given_back() -> None:
    with ActorTest(CODE, our=OUR) as actor:
        for key, value in (("b", b"\x00\xff"), ("a/b c", b""), ("ü", b"three"), ("b", b"two")):
            put(actor, key, value)
        assert listed(actor) == {
            "Keys": [{"key": "a/b c", "size": 0}, {"key": "b", "size": 3}, {"key": "ü", "size": 5}],
            "more": False,
            "total": 3,
        }
        answer = actor.push_http("GET", f"/values/{quote('ü')}")
        assert (answer.status, answer.body) == (200, b"three")
        assert actor.push_http("DELETE", "/values/b").status == 200
        assert keys(actor) == ["a/b c", "ü"]


def test_keys_are_found_by_their_beginning_page_by_page() -> None:
    with ActorTest(CODE, our=OUR) as actor:
        for number in range(7):
            put(actor, f"a{number}")
        put(actor, "b")
        assert keys(actor, prefix="b") == ["b"]
        assert keys(actor, prefix="c") == []
        first = listed(actor, prefix="a", limit="4")
        assert ([one["key"] for one in first["Keys"]], first["more"]) == (["a0", "a1", "a2", "a3"], True)
        last = listed(actor, prefix="a", limit="4", after="a3")
        assert ([one["key"] for one in last["Keys"]], last["more"]) == (["a4", "a5", "a6"], False)


def test_processes_ask_by_messages_and_pages_are_told() -> None:
    with ActorTest(CODE, our=OUR) as actor:
        channel = actor.open_channel()
        assert ask(actor, {"Set": {"key": "a", "value": "é"}}) == {"Set": "a"}
        assert ask(actor, {"Get": "a"}) == {"Value": "é"}
        assert ask(actor, {"Keys": {"prefix": ""}})["Keys"] == [{"key": "a", "size": 2}]
        assert ask(actor, {"Delete": "a"}) == {"Deleted": "a"}
        assert [json.loads(frame.bytes) for frame in actor.frames(channel)] == [{"Changed": "a"}] * 2
        actor.close_channel(channel)
        put(actor, "b")
        assert len(actor.frames(channel)) == 2


@pytest.mark.parametrize(
    ("method", "path", "status", "why"),
    [
        ("GET", "/values/none", 404, "there is no key 'none'"),
        ("DELETE", "/values/none", 404, "there is no key 'none'"),
        ("PUT", f"/values/{'k' * 201}", 400, "a key has 1 to 200 bytes, not 201"),
        ("PUT", "/values/%FF%ED%A0%80", 200, ""),
        ("POST", "/values/a", 405, "POST is not possible here"),
        ("POST", "/keys", 405, "POST is not possible here"),
    ],
)
def test_what_cannot_be_done_is_told(method: str, path: str, status: int, why: str) -> None:
    with ActorTest(CODE, our=OUR) as actor:
        answer = actor.push_http(method, path, body=b"x")
        assert answer.status == status
        assert why in json.loads(answer.body).get("Error", "")


def test_values_are_bounded() -> None:
    with ActorTest(CODE, our=OUR) as actor:
        assert actor.push_http("PUT", "/values/a", body=b"x" * (1024 * 1024 + 1)).status == 413
        assert keys(actor) == []


@pytest.mark.parametrize("limit", ["0", "501", "x", "-1"])
def test_a_limit_is_a_number(limit: str) -> None:
    with ActorTest(CODE, our=OUR) as actor:
        assert actor.push_http("GET", "/keys", query={"limit": limit}).status == 400


@pytest.mark.parametrize(
    "question", ["", "{", '"Keys"', '{"Get":""}', '{"Get":"none"}', '{"Set":{"key":"a"}}']
)
def test_bad_questions_are_answered(question: str) -> None:
    with ActorTest(CODE, our=OUR) as actor:
        assert "Error" in json.loads(actor.send(question, expects_response=5).ipc)
        assert actor.is_running
