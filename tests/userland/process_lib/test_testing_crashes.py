"""`process_lib.testing` when things go wrong: no crash passes unseen."""

from __future__ import annotations

import pytest

from kernel.errors import SelfRequest
from kernel.message import Reason, SendError
from userland.process_lib import OnExit, Request, Response, await_message
from userland.process_lib.testing import ActorCrashed, ActorTest


async def fragile(our):
    while True:
        message = await await_message()
        if message.ipc == b"boom":
            raise ZeroDivisionError("boom")
        Response().ipc(b"fine").send()


def test_a_crash_that_nobody_looked_at_fails_the_test_with_its_cause():
    with pytest.raises(ActorCrashed, match="ZeroDivisionError: boom") as caught, ActorTest(fragile) as actor:
        actor.send(b"boom")
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_a_crash_that_was_looked_at_is_no_failure():
    with ActorTest(fragile) as actor:
        with pytest.raises(SendError) as caught:
            actor.send(b"boom", expects_response=5)
        assert caught.value.reason is Reason.process_exited
        assert "ZeroDivisionError: boom" in caught.value.__notes__[0]
        assert "ZeroDivisionError: boom" in str(actor.last_error)
        assert not actor.is_running


def test_a_message_to_the_dead_fails_the_test():
    with ActorTest(fragile) as actor:
        actor.send(b"boom")
        assert actor.last_error
        with pytest.raises(SendError, match="no_such_process"):
            actor.send(b"are you there?")


def test_an_actor_that_restarts_answers_again():
    with ActorTest(fragile, on_exit=OnExit.restart()) as actor:
        actor.send(b"boom")
        assert actor.last_error
        assert actor.is_running
        assert actor.send(b"", expects_response=5).ipc == b"fine"


def test_awaiting_oneself_raises_at_once():
    """FIELD P47, C-048."""

    async def selfish(our):
        await await_message()
        await Request().target(our).ipc(b"").send_and_await_response(5)

    with ActorTest(selfish) as actor:
        actor.send(b"go")
        assert SelfRequest.__name__ in str(actor.last_error)


def test_what_the_test_raises_is_what_the_test_reports():
    def crash_it():
        with ActorTest(fragile) as actor:
            actor.send(b"boom")
            raise KeyError

    with pytest.raises(KeyError):
        crash_it()


async def test_inside_trio_too_an_error_of_the_test_comes_out_as_it_is():
    async def crash_it(error=None):
        async with ActorTest(fragile) as actor:
            await actor.send(b"boom")
            if error is not None:
                raise error

    with pytest.raises(KeyError):
        await crash_it(KeyError())
    with pytest.raises(ActorCrashed):
        await crash_it()
