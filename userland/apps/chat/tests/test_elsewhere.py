from __future__ import annotations

import json
from typing import Any

import pytest

from userland.process_lib import Message
from userland.process_lib.testing import Actor, ActorTest

CHAT = "../pkg/chat.py"
OUR = "chat:chat:nectar"
BEGIN = 1_700_000_000.0
BOB = "bob.uq@chat:chat:nectar"


def said(actor: Actor) -> list[dict[str, Any]]:
    answer = actor.push_http("GET", "/messages")
    found: list[dict[str, Any]] = json.loads(answer.body)["messages"]
    return found


def visit(actor: Actor, ipc: str, source: str = BOB) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(actor.send(ipc, expects_response=5, source=source).ipc)
    return answer


# -- others here


def test_another_node_says_something_and_everybody_sees_which_node_it_was() -> None:
    with ActorTest(CHAT, our=OUR) as actor:
        socket = actor.open_channel()
        answer = visit(actor, '{"Send":{"text":"hi","author":"bob"}}')
        message = {"id": 1, "author": "bob", "text": "hi", "at": BEGIN, "node": "bob.uq"}
        assert answer == {"message": message}
        assert said(actor) == [message]
        assert [json.loads(frame.bytes) for frame in actor.frames(socket)] == [{"message": message}]


def test_without_an_author_it_is_the_other_node_that_speaks() -> None:
    with ActorTest(CHAT, our=OUR) as actor:
        assert visit(actor, '{"Send":{"text":"hi"}}')["message"]["author"] == "bob.uq"


def test_the_node_is_known_from_where_the_message_came_and_cannot_be_given() -> None:
    with ActorTest(CHAT, our=OUR) as actor:
        assert "error" in visit(actor, '{"Send":{"text":"hi","node":"carol.uq"}}')
        for source in ("bob.uq@http_server:sys:nectar", "bob.uq@other:chat:nectar"):
            assert (
                visit(actor, '{"Send":{"text":"hi","author":"carol"}}', source)["message"]["node"] == "bob.uq"
            )


@pytest.mark.parametrize(
    "ipc",
    ['"History"', '{"History":{"since":0}}', '"SetAside"', '{"Send":{"text":"hi","to":"carol.uq"}}'],
)
def test_another_node_reads_nothing_and_is_passed_on_to_nobody(ipc: str) -> None:
    with ActorTest(CHAT, our=OUR) as actor:
        actor.push_http("POST", "/messages", body='{"text":"between us"}')
        assert visit(actor, ipc) == {"error": "another node may say something in this chat, and nothing else"}
        assert len(said(actor)) == 1


def test_what_another_node_said_is_there_after_a_restart() -> None:
    with ActorTest(CHAT, our=OUR) as actor:
        visit(actor, '{"Send":{"text":"hi","author":"bob"}}')
        before, state = said(actor), actor.state
    with ActorTest(CHAT, our=OUR, state=state) as actor:
        assert said(actor) == before


# -- we elsewhere


class OtherChat:
    """That of bob's node, which keeps what it is asked."""

    def __init__(self, answer: object) -> None:
        self.asked: list[tuple[str, Any]] = []
        self._answer = answer

    def __call__(self, message: Message) -> object:
        self.asked.append((str(message.source), json.loads(message.ipc)))
        return self._answer


KEPT = {"message": {"id": 7, "author": "alice", "text": "hi", "at": 1.0, "node": "fake.dev"}}


def test_a_post_to_another_node_is_said_there_and_not_here() -> None:
    bob = OtherChat(KEPT)
    with ActorTest(CHAT, our=OUR, on={BOB: bob}) as actor:
        answer = actor.push_http("POST", "/messages", body='{"text":"hi","author":"alice","to":"bob.uq"}')
        assert (answer.status, answer.body) == (200, b'{"delivered":{"to":"bob.uq","id":7}}')
        assert bob.asked == [(f"fake.dev@{OUR}", {"Send": {"text": "hi", "author": "alice"}})]
        assert said(actor) == []


def test_a_socket_and_a_message_are_told_of_the_delivery_too() -> None:
    bob = OtherChat(KEPT)
    with ActorTest(CHAT, our=OUR, on={BOB: bob}) as actor:
        socket, other = actor.open_channel(), actor.open_channel()
        actor.push_frame(socket, '{"Send":{"text":"hi","tag":"t","to":"bob.uq"}}')
        answer = actor.send('{"Send":{"text":"hi","to":"bob.uq"}}', expects_response=5)
        assert json.loads(answer.ipc) == {"delivered": {"to": "bob.uq", "id": 7}}
        [frame] = actor.frames(socket)
        assert json.loads(frame.bytes) == {"delivered": {"to": "bob.uq", "id": 7}, "tag": "t"}
        assert actor.frames(other) == []
        assert [asked for _, asked in bob.asked] == [{"Send": {"text": "hi"}}] * 2


def test_ones_own_node_is_not_elsewhere() -> None:
    with ActorTest(CHAT, our=OUR) as actor:
        answer = actor.push_http("POST", "/messages", body='{"text":"hi","to":"fake.dev"}')
        assert answer.status == 201
        assert [message["text"] for message in said(actor)] == ["hi"]


@pytest.mark.parametrize(
    ("answer", "status", "reason"),
    [
        ({"error": "text is too long"}, 502, "bob.uq refused that: text is too long"),
        ({"error": "x" * 1000}, 502, "bob.uq refused that: " + "x" * 300),
        ({"message": {"id": "7"}}, 502, "bob.uq answered what no chat answers"),
        (b"\xff", 502, "bob.uq answered what no chat answers"),
        (b"[" * 100_000, 502, "bob.uq answered what no chat answers"),
        (None, 503, "bob.uq did not take that"),
    ],
    ids=["refused", "long", "other", "bytes", "deep", "silent"],
)
def test_a_delivery_that_fails_is_told_why(answer: object, status: int, reason: str) -> None:
    with ActorTest(CHAT, our=OUR, on={BOB: OtherChat(answer)}) as actor:
        found = actor.push_http("POST", "/messages", body='{"text":"hi","tag":"t","to":"bob.uq"}')
        told = json.loads(found.body)
        assert (found.status, told["tag"]) == (status, "t")
        assert told["error"].startswith(reason)
        assert len(told["error"]) < 400


def test_a_node_that_cannot_be_reached_is_told_as_such() -> None:
    with ActorTest(CHAT, our=OUR) as actor:
        found = actor.push_http("POST", "/messages", body='{"text":"hi","to":"nobody.uq"}')
        assert found.status == 503
        assert json.loads(found.body)["error"].startswith("nobody.uq is offline: ")
        assert json.loads(found.body)["error"].endswith("; try again")


def test_what_may_have_been_heard_is_not_called_lost() -> None:
    with ActorTest(CHAT, our=OUR, on={BOB: OtherChat(None)}) as actor:
        found = actor.push_http("POST", "/messages", body='{"text":"hi","to":"bob.uq"}')
        assert json.loads(found.body)["error"].endswith(", and may have heard it all the same")


def test_only_so_many_are_under_way_at_once_and_the_chat_goes_on() -> None:
    bob = OtherChat(None)
    with ActorTest(CHAT, our=OUR, on={BOB: bob}) as actor:
        socket = actor.open_channel()
        for _ in range(40):
            actor.push_frame(socket, '{"Send":{"text":"hi","to":"bob.uq"}}')
        assert len(bob.asked) == 32
        refused = [json.loads(frame.bytes)["error"] for frame in actor.frames(socket)]
        assert refused == ["32 messages to other nodes are under way; try again"] * 8
        actor.push_frame(socket, '{"Send":{"text":"here"}}')
        assert [message["text"] for message in said(actor)] == ["here"]
        actor.advance(11)
        actor.push_frame(socket, '{"Send":{"text":"hi","to":"bob.uq"}}')
        assert len(bob.asked) == 33
