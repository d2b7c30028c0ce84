"""The process alone, in milliseconds: `pytest`."""

import json

from userland.process_lib.testing import ActorTest

CODE, OUR = "../pkg/chat.py", "chat:chat:nectar"


def test_what_is_said_is_kept_and_told_to_every_socket() -> None:
    with ActorTest(CODE, our=OUR) as actor:
        channel = actor.open_channel()
        said = actor.push_http("POST", "/messages", body='{"text":"hello","author":"alice"}')
        assert said.status == 201
        found = json.loads(actor.push_http("GET", "/messages").body)
        assert [(one["author"], one["text"]) for one in found["messages"]] == [("alice", "hello")]
        (frame,) = actor.frames(channel)
        assert b"hello" in frame.bytes


def test_a_mistake_is_told() -> None:
    with ActorTest(CODE, our=OUR) as actor:
        assert actor.push_http("POST", "/messages", body="{}").status == 400
