from __future__ import annotations

import pytest

from kernel.address import Address
from kernel.message import Reason, SendError, SendErrorKind
from kernel.message import Request as RawRequest
from tests.support.golden import golden
from tests.support.recording_syscalls import recording, request_message
from userland.process_lib import await_message, homepage, widget
from userland.process_lib.testing import ActorTest

HOMEPAGE = Address.from_str("fake.dev@homepage:homepage:nectar")
PNG = "data:image/png;base64,AAAA"


def test_an_app_adds_itself_without_waiting_for_an_answer():
    with recording() as calls:
        homepage.add_to_homepage("Chess", PNG, "/")
        homepage.add_to_homepage("  Chess\n", icon=PNG, path="/", widget=None)
        homepage.remove_from_homepage()
    add = (HOMEPAGE, RawRequest(ipc=golden("homepage/add")), None, None)
    assert calls.sent() == [add, add, (HOMEPAGE, RawRequest(ipc=golden("homepage/remove")), None, None)]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("",), "shows nothing"),
        (("x", "http://evil.example/x.png"), "is no picture"),
        (("x", None, "/../other:app:me"), "no place below your process id"),
        (("x", None, None, "<p>" * 30000), "widget has 90000 characters"),
    ],
)
def test_what_may_not_stand_on_the_page_is_refused_before_it_is_sent(arguments, problem):
    with recording() as calls:
        with pytest.raises(ValueError, match=problem):
            homepage.add_to_homepage(*arguments)
        assert calls.calls == []


@pytest.mark.parametrize("arguments", [(7,), ("x", b"data:"), ("x", None, 7), ("x", None, None, b"<p>")])
def test_what_is_no_text_is_refused(arguments):
    with recording(), pytest.raises(TypeError, match="is text, got"):
        homepage.add_to_homepage(*arguments)


def test_a_test_sees_what_its_actor_shows_on_the_page():
    async def init(our):
        homepage.add_to_homepage("Chess", path="/")
        await await_message()
        homepage.remove_from_homepage()
        await await_message()

    with ActorTest(init, our="chess:chess:me") as actor:
        assert actor.on_homepage is not None
        assert (actor.on_homepage.label, actor.on_homepage.path) == ("Chess", "/")
        actor.send("hide yourself")
        assert actor.on_homepage is None


def test_a_widget_is_a_process_that_shows_it_and_nothing_more():
    with ActorTest(widget("<p>hello</p>"), our="greeting:greeting:me") as actor:
        assert actor.on_homepage is not None
        assert (actor.on_homepage.label, actor.on_homepage.widget) == ("greeting", "<p>hello</p>")
        actor.send("anything")
        assert actor.is_running
    with ActorTest(widget("<p>", "A greeting")) as actor:
        assert actor.on_homepage is not None
        assert actor.on_homepage.label == "A greeting"


async def test_a_widget_outlives_what_comes_back():
    with recording() as calls:
        error = SendError(
            SendErrorKind.Offline,
            Reason.mailbox_full,
            target=HOMEPAGE,
            message=request_message(HOMEPAGE, calls.our, RawRequest()),
            payload=None,
            definite=True,
            detail="full",
        )
        calls.inbox.append(error)
        with pytest.raises(IndexError, match="empty deque"):
            await widget("<p>")(calls.our)
    assert [name for name, _ in calls.calls] == ["send_request", "print_to_terminal"]


def test_a_widget_is_html_text():
    with pytest.raises(TypeError, match=r"write init = widget"):
        widget(lambda: "<p>")
