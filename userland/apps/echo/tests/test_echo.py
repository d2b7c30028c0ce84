from __future__ import annotations

import pytest

from userland.process_lib import Payload, http
from userland.process_lib.testing import ActorTest

ECHO = "../pkg/echo.py"
OUR = "echo:echo:nectar"
TEXT, BINARY = http.WsMessageType.Text, http.WsMessageType.Binary


@pytest.mark.parametrize("payload", [None, Payload(), Payload("image/png", b"\x00\xff")])
def test_a_request_gets_its_own_ipc_and_payload_back(payload: Payload | None) -> None:
    with ActorTest(ECHO, our=OUR) as actor:
        answer = actor.send(b"\x00 anything", payload, expects_response=5)
        assert (answer.ipc, answer.payload()) == (b"\x00 anything", payload)


def test_a_request_that_wants_no_answer_gets_none() -> None:
    with ActorTest(ECHO, our=OUR) as actor:
        before = len(actor.sent)
        actor.send(b"hello")
        assert len(actor.sent) == before


def test_get_shows_the_page_to_those_who_are_logged_in() -> None:
    with ActorTest(ECHO, our=OUR) as actor:
        page = actor.content["/"]
        assert page.mime == "text/html"
        assert b"<title>Echo</title>" in page.bytes
        assert [(bound.path, bound.authenticated) for bound in actor.bound] == [("/", True), ("/", True)]


def test_it_stands_on_the_start_page() -> None:
    with ActorTest(ECHO, our=OUR) as actor:
        assert actor.on_homepage is not None
        assert (actor.on_homepage.label, actor.on_homepage.path) == ("Echo", "/")


def test_a_post_gets_its_own_body_back_in_its_own_type() -> None:
    with ActorTest(ECHO, our=OUR) as actor:
        answer = actor.push_http("POST", "/", body=b"[1]", headers={"content-type": "application/json"})
        assert (answer.status, answer.body) == (200, b"[1]")
        assert answer.headers["Content-Type"] == "application/json"


def test_a_frame_comes_back_in_the_type_it_came_in() -> None:
    """C-126, C-129."""
    with ActorTest(ECHO, our=OUR) as actor:
        one, other = actor.open_channel(), actor.open_channel()
        actor.push_frame(one, "hé")
        actor.push_frame(one, b"\x00\xff")
        actor.push_frame(other, "")
        assert [(frame.message_type, frame.bytes) for frame in actor.frames(one)] == [
            (TEXT, "hé".encode()),
            (BINARY, b"\x00\xff"),
        ]
        assert [(frame.message_type, frame.bytes) for frame in actor.frames(other)] == [(TEXT, b"")]
        actor.close_channel(one)
        assert actor.is_running


@pytest.mark.parametrize("ipc", [b"", b"not json", b'{"Http":{}}', b'{"WebSocketPush":1}'])
def test_what_http_server_injects_for_somebody_is_echoed_too(ipc: bytes) -> None:
    with ActorTest(ECHO, our=OUR) as actor:
        answer = actor.send(ipc, expects_response=5, source="our@http_server:sys:nectar")
        assert answer.ipc == ipc


def test_a_namesake_of_http_server_is_no_browser() -> None:
    push = http.HttpServerRequest.to_bytes(http.WebSocketPush(7, TEXT))
    with ActorTest(ECHO, our=OUR) as actor:
        for source in ("our@http_server:evil:nectar", "other.node@http_server:sys:nectar"):
            assert actor.send(push, expects_response=5, source=source).ipc == push
        assert actor.frames() == []
