from __future__ import annotations

import json

import pytest

from userland.process_lib.testing import ActorTest

SAY = "../pkg/say.py"
OUR = "1234:chat:nectar"
CHAT = "chat:chat:nectar"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"message": {"id": 7, "author": "me", "text": "hello", "at": 1.5}}, b"said, as message 7"),
        ({"error": "a text has 4000 characters at most"}, b"a text has 4000 characters at most"),
        ({"what": "else"}, b"the chat gave an answer that is none: {'what': 'else'}"),
    ],
)
def test_what_it_is_given_is_said_in_the_chat(answer: object, said: bytes) -> None:
    with ActorTest(SAY, our=OUR) as actor:
        actor.on(("our", CHAT), answer)
        assert actor.send(" hello ", expects_response=20).ipc == said
        assert json.loads(actor.sent[0].ipc) == {"Send": {"text": "hello"}}
        assert not actor.is_running


def test_without_a_text_it_says_how_it_is_used() -> None:
    with ActorTest(SAY, our=OUR) as actor:
        assert actor.send("  ", expects_response=20).ipc == b"write say:chat:nectar TEXT"


def test_a_chat_that_does_not_run_is_told() -> None:
    with ActorTest(SAY, our=OUR) as actor:
        assert actor.send("hello", expects_response=20).ipc.startswith(b"the chat does not answer: ")
