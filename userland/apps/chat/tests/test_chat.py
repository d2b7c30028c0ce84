from __future__ import annotations

import json
from typing import Any

import pytest

from userland.process_lib import http
from userland.process_lib.testing import Actor, ActorTest, Frame, HttpAnswer

CHAT = "../pkg/chat.py"
OUR = "chat:chat:nectar"
BEGIN = 1_700_000_000.0
LONGEST = "\U0001f41d" * 4000


def post(actor: Actor, text: str, author: str | None = None) -> HttpAnswer:
    body = {"text": text} if author is None else {"text": text, "author": author}
    return actor.push_http("POST", "/messages", body=json.dumps(body))


def texts(actor: Actor, since: int = 0) -> list[str]:
    answer = actor.push_http("GET", "/messages", query={"since": str(since)})
    assert answer.status == 200
    return [message["text"] for message in json.loads(answer.body)["messages"]]


def heard(frames: list[Frame]) -> list[Any]:
    assert {frame.message_type for frame in frames} <= {http.WsMessageType.Text}
    return [json.loads(frame.bytes) for frame in frames]


# -- HTTP


def test_a_post_is_answered_with_the_message_and_found_by_a_get() -> None:
    with ActorTest(CHAT, our=OUR) as actor:
        actor.advance(1.5)
        answer = post(actor, "héllo <b>", "alice")
        message = {"id": 1, "author": "alice", "text": "héllo <b>", "at": BEGIN + 1.5}
        assert (answer.status, json.loads(answer.body)) == (201, {"message": message})
        assert answer.headers["Content-Type"] == "application/json"
        found = actor.push_http("GET", "/messages")
        assert (found.status, json.loads(found.body)) == (200, {"messages": [message], "last": 1})


def test_since_leaves_out_what_is_known() -> None:
    with ActorTest(CHAT, our=OUR) as actor:
        for text in ("a", "b", "c"):
            post(actor, text)
        assert texts(actor, 1) == ["b", "c"]
        answer = actor.push_http("GET", "/messages", query={"since": "3"})
        assert json.loads(answer.body) == {"messages": [], "last": 3}


@pytest.mark.parametrize("author", [None, "", "  "])
def test_without_an_author_the_owner_of_the_node_speaks(author: str | None) -> None:
    with ActorTest(CHAT, our=OUR) as actor:
        assert json.loads(post(actor, "hi", author).body)["message"]["author"] == "fake.dev"


def test_the_longest_text_is_kept_however_it_is_escaped() -> None:
    with ActorTest(CHAT, our=OUR) as actor:
        assert post(actor, LONGEST, "\U0001f468‍\U0001f469 " * 10).status == 201
        assert actor.push_http("POST", "/messages", body=json.dumps({"text": "\1" * 4000})).status == 201
        assert texts(actor) == [LONGEST, "\1" * 4000]


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (400, b"", "no JSON"),
        (400, b"\xff", "no JSON"),
        (400, b"[" * 60_000, "no JSON"),
        (400, b'"hi"', "the body is JSON such as"),
        (400, b"{}", "text is what you want to say, not null"),
        (400, b'{"text":NaN}', "text is what you want to say, not NaN"),
        (400, b'{"text":{"a":1}}', "text is what you want to say, not an object"),
        (400, b'{"text":" \\n"}', "text is what you want to say"),
        (400, b'{"text":"\\ud800"}', "half of a surrogate pair"),
        (400, b'{"text":"hi","author":7}', "author is a name in one line, not 7"),
        (400, b'{"text":"hi","author":["a"]}', "author is a name in one line, not a list"),
        (400, b'{"text":"hi","author":"a\\nb"}', "author is a name in one line"),
        (400, b'{"text":"hi","author":"%b"}' % (b"a" * 41), "author has 41 characters, 40 at most"),
        (400, b'{"text":"hi","at":7}', '"at" is unknown'),
        (400, b'{"text":"hi","to":7}', "to is the name of a node, not 7"),
        (400, b'{"text":"hi","to":"bob@a:b:c"}', "to is the name of a node"),
        (400, b'{"text":"hi","tag":1}', "a tag is text of at most 64 characters, not 1"),
        (413, b'{"text":"%b"}' % (b"a" * 4001), "text has 4001 characters, 4000 at most"),
        (413, b" " * 65537, "65537 bytes, 65536 at most"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_bad_post_is_told_why_and_changes_nothing(status: int, body: bytes, reason: str) -> None:
    with ActorTest(CHAT, our=OUR) as actor:
        answer = actor.push_http("POST", "/messages", body=body)
        assert answer.status == status
        assert reason in json.loads(answer.body)["error"]
        assert texts(actor) == []
        assert actor.state is None


@pytest.mark.parametrize("since", ["", "-1", "1.5", "x", "9" * 19, "²"])
def test_a_bad_since_is_told_why(since: str) -> None:
    with ActorTest(CHAT, our=OUR) as actor:
        answer = actor.push_http("GET", "/messages", query={"since": since})
        assert answer.status == 400
        assert "a whole number from 0 up" in json.loads(answer.body)["error"]


def test_other_methods_are_told_what_is_possible() -> None:
    with ActorTest(CHAT, our=OUR) as actor:
        for method, path, allowed in (
            ("DELETE", "/messages", "GET, HEAD, POST"),
            ("POST", "/", "GET, HEAD"),
            ("PUT", "/nowhere", "GET, HEAD"),
        ):
            answer = actor.push_http(method, path)
            assert (answer.status, answer.headers["Allow"]) == (405, allowed)
            assert allowed in json.loads(answer.body)["error"]


def test_everything_wants_a_login_and_no_socket_path_is_bound() -> None:
    with ActorTest(CHAT, our=OUR) as actor:
        assert {bound.path for bound in actor.bound} == {
            "/", "/messages", "/index.html", "/chat.js", "/view.js", "/chat.css",
        }  # fmt: skip
        assert {(type(bound).__name__, bound.authenticated) for bound in actor.bound} == {("Bind", True)}
        assert actor.content["/"].mime == "text/html"
        assert b"<title>Chat</title>" in actor.content["/"].bytes
        assert actor.on_homepage is not None
        assert (actor.on_homepage.label, actor.on_homepage.path) == ("Chat", "/")


# -- sockets


def test_every_socket_hears_each_message_once_whoever_sent_it() -> None:
    """C-126, C-129."""
    with ActorTest(CHAT, our=OUR) as actor:
        one, other = actor.open_channel(), actor.open_channel()
        actor.push_frame(one, '{"Send":{"text":"from one","author":"alice","tag":"t1"}}')
        actor.push_frame(other, b'{"Send":{"text":"in binary","author":"bob"}}')
        post(actor, "over http", "carol")
        messages = [
            {"id": 1, "author": "alice", "text": "from one", "at": BEGIN},
            {"id": 2, "author": "bob", "text": "in binary", "at": BEGIN},
            {"id": 3, "author": "carol", "text": "over http", "at": BEGIN},
        ]
        assert heard(actor.frames(other)) == [{"message": each} for each in messages]
        assert heard(actor.frames(one)) == [
            {"message": messages[0], "tag": "t1"},
            {"message": messages[1]},
            {"message": messages[2]},
        ]


def test_a_bad_frame_is_told_why_and_nobody_else_hears_of_it() -> None:
    with ActorTest(CHAT, our=OUR) as actor:
        one, other = actor.open_channel(), actor.open_channel()
        actor.push_frame(one, "hello")
        actor.push_frame(one, b"\xff")
        actor.push_frame(one, '{"Send":{"text":"hi"},"History":{}}')
        actor.push_frame(one, '{"Send":{"text":"","tag":"t2"}}')
        actor.push_frame(one, '{"Send":{"text":"hi","tag":"%s"}}' % ("t" * 65))
        errors = heard(actor.frames(one))
        assert [sorted(error) for error in errors] == [["error"]] * 3 + [["error", "tag"], ["error"]]
        assert errors[3]["tag"] == "t2"
        assert '{"Send":{"text":".."}}' in errors[2]["error"]
        assert actor.frames(other) == []
        assert actor.is_running


def test_a_socket_reads_what_it_missed() -> None:
    with ActorTest(CHAT, our=OUR) as actor:
        for text in ("a", "b", "c"):
            post(actor, text)
        socket = actor.open_channel()
        actor.push_frame(socket, '{"History":{"since":2}}')
        (answer,) = heard(actor.frames(socket))
        assert ([message["id"] for message in answer["messages"]], answer["last"]) == ([3], 3)
        actor.push_frame(socket, '{"History":{"since":-1}}')
        assert "a whole number" in heard(actor.frames(socket))[1]["error"]


def test_who_left_is_pushed_to_no_more() -> None:
    """C-128."""
    with ActorTest(CHAT, our=OUR) as actor:
        one, other = actor.open_channel(), actor.open_channel()
        actor.close_channel(one)
        actor.push_frame(other, '{"Send":{"text":"hi"}}')
        assert actor.frames(one) == []
        assert len(actor.frames(other)) == 1


def test_hundreds_of_sockets_hear_everything_in_order() -> None:
    with ActorTest(CHAT, our=OUR) as actor:
        sockets = [actor.open_channel() for _ in range(300)]
        for n in range(10):
            actor.push_frame(sockets[n], json.dumps({"Send": {"text": str(n)}}))
        frames: dict[int, list[object]] = {}
        for frame in actor.frames():
            frames.setdefault(frame.channel_id, []).append(json.loads(frame.bytes)["message"]["id"])
        assert frames == {socket: list(range(1, 11)) for socket in sockets}


# -- messages


def test_it_is_asked_by_messages_too() -> None:
    with ActorTest(CHAT, our=OUR) as actor:
        answer = actor.send('{"Send":{"text":"hi"}}', expects_response=5, source="our@http_server:sys:nectar")
        said = json.loads(answer.ipc)
        assert said["message"]["text"] == "hi"
        found = actor.send('"History"', expects_response=5)
        assert json.loads(found.ipc) == {"messages": [said["message"]], "last": 1}


@pytest.mark.parametrize("ipc", [b"", b"\xff", b'"history"', b'{"Http":{}}', b'{"WebSocketPush":1}', b"[]"])
def test_a_message_that_it_does_not_know_is_told_what_it_does(ipc: bytes) -> None:
    with ActorTest(CHAT, our=OUR) as actor:
        answer = actor.send(ipc, expects_response=5, source="our@http_server:sys:nectar")
        assert "error" in json.loads(answer.ipc)


def test_who_wants_no_answer_gets_none() -> None:
    with ActorTest(CHAT, our=OUR) as actor:
        before = len(actor.sent)
        actor.send('{"Send":{"text":"hi"}}')
        actor.send("what?")
        assert len(actor.sent) == before
        assert texts(actor) == ["hi"]


def test_a_namesake_of_http_server_is_no_browser() -> None:
    opened = http.HttpServerRequest.to_bytes(http.WebSocketOpen("/", 7))
    with ActorTest(CHAT, our=OUR) as actor:
        for source in ("our@http_server:evil:nectar", "other.node@http_server:sys:nectar"):
            answer = actor.send(opened, expects_response=5, source=source)
            assert "error" in json.loads(answer.ipc)
        post(actor, "hi")
        assert actor.frames() == []
