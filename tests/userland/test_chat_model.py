"""The rules of the chat's history and of what it can be asked, for everything that might be written or asked."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from userland.apps.chat.pkg.model import MOST_BYTES, MOST_MESSAGES, ChatMessage, History, Unreadable
from userland.apps.chat.pkg.wire import (
    AUTHOR_CHARACTERS,
    TEXT_CHARACTERS,
    ReadHistory,
    ReadSetAside,
    Refused,
    Send,
    message_answer,
    parse_post,
    parse_request,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
MESSAGES = st.fixed_dictionaries(
    {"id": st.integers(-1, 5) | JSON, "author": st.text() | JSON, "text": st.text() | JSON, "at": JSON}
)
STATES = st.fixed_dictionaries(
    {"version": st.just(1) | JSON, "messages": st.lists(MESSAGES, max_size=3) | JSON, "set_aside": JSON}
)
SENDS = st.fixed_dictionaries({}, optional=dict.fromkeys(("text", "author", "tag", "other"), JSON))
STEPS = st.lists(st.sampled_from(["say", "say", "save", "lose"]), max_size=60)


def ids(state: bytes) -> list[int]:
    return [message["id"] for message in json.loads(state)["messages"]]


@given(STEPS)
def test_readers_see_what_is_saved_in_order_and_never_again_what_was_withdrawn(steps: list[str]):
    history, saving, kept = History(), [], []
    for step in steps:
        if step == "say":
            saving.append(history.saving("a", "t", 1.0).id)
        elif step == "save":
            assert list(history.saved(history.newest)) == saving
            kept, saving = kept + saving, []
        elif saving:
            assert history.withdraw(saving.pop())
        assert [json.loads(text)["id"] for text in history.since(0)] == kept
        assert history.last == max(kept, default=0)
        assert ids(history.to_bytes()) == kept + saving
        assert kept + saving == sorted(set(kept + saving))


def test_saving_up_to_a_message_leaves_later_ones_open():
    history = History()
    first, second = history.saving("a", "1", 1.0), history.saving("a", "2", 1.0)
    assert list(history.saved(first.id)) == [first.id]
    assert not history.withdraw(first.id)
    assert history.withdraw(second.id)
    assert not history.withdraw(second.id)
    assert history.saving("a", "3", 1.0).id == second.id + 1


@given(st.lists(st.builds(ChatMessage, st.just(0), st.text(), st.text(), st.floats(0, 1e12)), max_size=20))
def test_a_state_reads_back_as_it_was_written(said: list[ChatMessage]):
    history = History()
    for message in said:
        history.saving(message.author, message.text, message.at)
    history.saved(history.newest)
    state = history.to_bytes()
    assert History.from_bytes(state).to_bytes() == state


def test_the_newest_messages_are_kept_within_both_bounds():
    many, long = History(), History()
    for _ in range(MOST_MESSAGES + 50):
        many.saving("a", "t", 1.0)
        many.saved(many.newest)
    assert ids(many.to_bytes()) == list(range(51, MOST_MESSAGES + 51))
    for _ in range(20):
        long.saving("a" * AUTHOR_CHARACTERS, "\1" * TEXT_CHARACTERS, 1.0)
        long.saved(long.newest)
    assert ids(long.to_bytes())[-1] == 20
    assert MOST_BYTES * 0.8 < len(long.to_bytes()) < MOST_BYTES + 200
    long.saving("a", "t" * 2 * MOST_BYTES, 1.0)
    long.saved(long.newest)
    assert ids(long.to_bytes()) == [21]


@given(st.binary() | STATES.map(lambda state: json.dumps(state).encode()))
def test_any_state_is_read_whole_or_set_aside_whole(state: bytes):
    try:
        found = History.from_bytes(state)
    except Unreadable as error:
        found = History.anew(state, str(error), 1.0)
    assert History.from_bytes(found.to_bytes()).to_bytes() == found.to_bytes()
    json.loads(found.to_bytes(), parse_constant=lambda text: 1 / 0)
    found.saving("a", "t", 1.0)
    assert ids(found.to_bytes())[-1] == found.newest


@given(
    st.binary()
    | (JSON | st.fixed_dictionaries({"Send": SENDS | JSON})).map(lambda asked: json.dumps(asked).encode())
)
def test_whatever_is_asked_is_understood_or_refused_in_words(asked: bytes):
    found = parsed(asked)
    assert isinstance(found, Send | ReadHistory | ReadSetAside | Refused)
    if isinstance(found, Refused):
        assert found.status in {400, 413}
        assert json.loads(found.to_bytes())["error"]
    elif isinstance(found, Send) and found.tag is not None:
        assert json.loads(message_answer(b"{}", found.tag)) == {"message": {}, "tag": found.tag}


def parsed(asked: bytes) -> Send | ReadHistory | ReadSetAside | Refused:
    try:
        return parse_request(asked)
    except Refused as refused:
        return refused


@given(SENDS.map(lambda asked: json.dumps(asked).encode()))
def test_what_a_post_may_say_can_be_kept(body: bytes):
    try:
        send = parse_post(body)
    except Refused:
        return
    history = History()
    history.saving(send.author or "owner", send.text, 1.0)
    assert json.loads(History.from_bytes(history.to_bytes()).since(0)[0])["text"] == send.text
