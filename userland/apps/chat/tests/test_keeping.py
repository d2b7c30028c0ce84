"""What was said is there after a restart, whatever happens to the disk."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from userland.process_lib import Message, sleep
from userland.process_lib.testing import Actor, ActorTest

CHAT = "../pkg/chat.py"
OUR = "chat:chat:nectar"
STATE = "our@state:sys:nectar"
NOTHING = b'{"Err":{"NotFound":{"process_id":"chat:chat:nectar"}}}'
BROKEN = b'{"Err":{"RocksDBError":{"action":"SetState","error":"the disk is full"}}}'


class Disk:
    """A state module whose disk takes a second, can be full, and fails to answer."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.full = False
        self.silent = False

    async def __call__(self, message: Message) -> bytes | None:
        if b"GetState" in message.ipc:
            return NOTHING
        payload = message.payload()
        assert payload is not None
        await sleep(1)
        if self.silent:
            return None
        if self.full:
            return BROKEN
        self.writes.append(payload.bytes)
        return b'"SetState"'


def texts(state: bytes | None) -> list[str]:
    assert state is not None
    return [message["text"] for message in json.loads(state)["messages"]]


def history(actor: Actor) -> list[str]:
    return texts(actor.push_http("GET", "/messages").body)


def say(actor: Actor, socket: int, text: str) -> None:
    actor.push_frame(socket, json.dumps({"Send": {"text": text, "tag": text}}))


def heard(actor: Actor, socket: int) -> list[Any]:
    return [json.loads(frame.bytes) for frame in actor.frames(socket)]


def test_a_restart_finds_the_history_and_goes_on_counting() -> None:
    with ActorTest(CHAT, our=OUR) as actor:
        for text in ("a", "b"):
            actor.push_http("POST", "/messages", body=json.dumps({"text": text}))
        before = actor.push_http("GET", "/messages").body
        state = actor.state
    with ActorTest(CHAT, our=OUR, state=state) as actor:
        assert actor.push_http("GET", "/messages").body == before
        answer = actor.push_http("POST", "/messages", body=b'{"text":"c"}')
        assert json.loads(answer.body)["message"]["id"] == 3
        assert texts(actor.state) == ["a", "b", "c"]


def test_nobody_hears_of_a_message_before_it_is_kept() -> None:
    disk = Disk()
    with ActorTest(CHAT, our=OUR, on={STATE: disk}) as actor:
        socket = actor.open_channel()
        say(actor, socket, "hi")
        assert heard(actor, socket) == []
        assert history(actor) == []
        actor.advance(1)
        assert [texts(write) for write in disk.writes] == [["hi"]]
        assert heard(actor, socket)[0]["message"]["text"] == "hi"
        assert history(actor) == ["hi"]


def test_an_answer_waits_until_the_message_is_kept() -> None:
    disk = Disk()
    with ActorTest(CHAT, our=OUR, on={STATE: disk}) as actor:
        answer = actor.push_http("POST", "/messages", body=b'{"text":"hi"}')
        assert (answer.status, texts(disk.writes[0])) == (201, ["hi"])


def test_what_is_said_while_the_disk_works_does_not_wait_in_line() -> None:
    with ActorTest(CHAT, our=OUR, on={STATE: Disk()}) as actor:
        socket = actor.open_channel()
        for n in range(10):
            say(actor, socket, str(n))
        assert history(actor) == []
        actor.advance(1)
        assert history(actor) == [str(n) for n in range(10)]
        assert [frame["tag"] for frame in heard(actor, socket)] == [str(n) for n in range(10)]


def test_more_than_can_be_on_the_way_at_once_wait_and_none_is_lost() -> None:
    with ActorTest(CHAT, our=OUR, on={STATE: Disk()}) as actor:
        socket = actor.open_channel()
        for n in range(100):
            say(actor, socket, str(n))
        actor.advance(1)
        assert 10 <= len(heard(actor, socket)) < 50
        actor.advance(20)
        assert history(actor) == [str(n) for n in range(100)]
        assert [frame["message"]["id"] for frame in heard(actor, socket)] == list(range(1, 101))


def test_who_leaves_while_the_disk_works_takes_nothing_along() -> None:
    with ActorTest(CHAT, our=OUR, on={STATE: Disk()}) as actor:
        one, other = actor.open_channel(), actor.open_channel()
        say(actor, one, "bye")
        actor.close_channel(one)
        actor.advance(1)
        assert heard(actor, one) == []
        assert [frame["message"]["text"] for frame in heard(actor, other)] == ["bye"]


@pytest.mark.parametrize("fault", ["full", "silent"])
def test_what_cannot_be_kept_is_refused_and_told_to_nobody(fault: str) -> None:
    disk = Disk()
    with ActorTest(CHAT, our=OUR, on={STATE: disk}) as actor:
        one, other = actor.open_channel(), actor.open_channel()
        setattr(disk, fault, True)
        answer = actor.push_http("POST", "/messages", body=b'{"text":"lost","tag":"t"}')
        assert answer.status == 503
        assert json.loads(answer.body)["tag"] == "t"
        say(actor, one, "lost too")
        actor.advance(10)
        (error,) = heard(actor, one)
        assert (error["tag"], "could not keep that" in error["error"]) == ("lost too", True)
        assert heard(actor, other) == []
        setattr(disk, fault, False)
        say(actor, one, "kept")
        actor.advance(1)
        assert history(actor) == ["kept"]
        assert texts(disk.writes[-1]) == ["kept"]
        assert heard(actor, other) == [{"message": heard(actor, one)[1]["message"]}]


def test_a_message_that_was_kept_along_with_a_later_one_is_no_failure() -> None:
    disk = Disk()
    with ActorTest(CHAT, our=OUR, on={STATE: disk}) as actor:
        socket = actor.open_channel()
        disk.silent = True
        say(actor, socket, "early")
        actor.advance(2)
        disk.silent = False
        say(actor, socket, "late")
        actor.advance(1)
        assert [frame["tag"] for frame in heard(actor, socket)] == ["early", "late"]
        actor.advance(10)
        assert len(heard(actor, socket)) == 2
        assert history(actor) == ["early", "late"]


ONE = b'{"id":1,"author":"a","text":"b","at":1}'
UNREADABLE = [
    b"",
    b"\xff\x00",
    b"null",
    b"[" * 100_000,
    b'{"version":2,"rooms":[]}',
    b'{"version":1}',
    b'{"version":1,"messages":[{"id":1}],"set_aside":null}',
    b'{"version":1,"messages":[{"id":true,"author":"a","text":"b","at":1}],"set_aside":null}',
    b'{"version":1,"messages":[{"id":1,"author":"a","text":"b","at":NaN}],"set_aside":null}',
    b'{"version":1,"messages":[{"id":1,"author":"a","text":"b","at":1e999}],"set_aside":null}',
    b'{"version":1,"messages":[{"id":1,"author":"a","text":"\\ud800","at":1}],"set_aside":null}',
    b'{"version":1,"messages":[%b,%b],"set_aside":null}' % (ONE, ONE),
    b'{"version":1,"messages":[],"set_aside":{"why":"\\ud800"}}',
]


@pytest.mark.parametrize("state", UNREADABLE, ids=range(len(UNREADABLE)))
def test_a_state_that_cannot_be_read_is_set_aside_and_never_lost(state: bytes) -> None:
    with ActorTest(CHAT, our=OUR, state=state) as actor:
        assert actor.state == state
        assert "it is unreadable" in actor.printed[0].text
        assert history(actor) == []
        actor.push_http("POST", "/messages", body=b'{"text":"hi"}')
        after = actor.state
    with ActorTest(CHAT, our=OUR, state=after) as actor:
        assert actor.printed == []
        assert history(actor) == ["hi"]
        found = json.loads(actor.send('"SetAside"', expects_response=5).ipc)["set_aside"]
        assert base64.b64decode(found["base64"]) == state
        assert found["at"] == 1_700_000_000.0


def test_nothing_is_set_aside_from_a_state_that_can_be_read() -> None:
    with ActorTest(CHAT, our=OUR) as actor:
        assert json.loads(actor.send('"SetAside"', expects_response=5).ipc) == {"set_aside": None}


def test_a_state_that_cannot_be_got_is_not_taken_for_none() -> None:
    """The process ends, and the next start tries again: an empty history would soon overwrite the real one."""
    with ActorTest(CHAT, our=OUR, on={STATE: BROKEN}) as actor:
        assert not actor.is_running
        assert "the disk is full" in str(actor.last_error)
