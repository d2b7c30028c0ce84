"""The process alone, in milliseconds: `pytest`."""

from userland.process_lib import Payload, http
from userland.process_lib.testing import ActorTest

CODE, OUR = "../pkg/echo.py", "echo:echo:nectar"


def test_a_request_gets_its_own_ipc_and_payload_back() -> None:
    with ActorTest(CODE, our=OUR) as actor:
        answer = actor.send(b"hello", Payload("text/plain", b"there"), expects_response=5)
        assert (answer.ipc, answer.payload()) == (b"hello", Payload("text/plain", b"there"))


def test_a_call_gets_its_own_body_back() -> None:
    with ActorTest(CODE, our=OUR) as actor:
        answer = actor.push_http("POST", "/", body=b"hello")
        assert (answer.status, answer.body) == (200, b"hello")


def test_a_frame_comes_back_in_the_type_it_came_in() -> None:
    with ActorTest(CODE, our=OUR) as actor:
        channel = actor.open_channel()
        actor.push_frame(channel, "hello")
        (frame,) = actor.frames(channel)
        assert (frame.message_type, frame.bytes) == (http.WsMessageType.Text, b"hello")
