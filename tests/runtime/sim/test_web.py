"""People at a simulated node speak to the real http_server (DESIGN 7)."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.sim import Verdict, World, run
from runtime.sim.clients import SocketEnded
from runtime.sim.web import RegisterRefused

ECHO = Path(__file__).parents[3] / "userland" / "apps" / "echo"
ECHO_ID = "echo:echo:nectar"


def passed(test) -> None:
    report = run(test)
    assert report.verdict is Verdict.OK, (report.violation, report.error)


def test_the_owner_is_let_in_and_a_stranger_is_sent_to_the_login():
    async def test(w: World) -> None:
        node = await w.node("alice.nec", [ECHO])
        said = await node.http().post(f"/{ECHO_ID}/", b"hello")
        assert (said.status, said.body) == (200, b"hello")
        assert (await node.http(logged_in=False).get(f"/{ECHO_ID}/")).status in (307, 401)

    passed(test)


def test_a_socket_is_registered_to_its_process_and_closed_behind_the_block():
    async def test(w: World) -> None:
        node = await w.node("alice.nec", [ECHO])
        async with node.http().ws(ECHO_ID) as socket:
            assert socket.channel_id > 0
            await socket.send("hello")
            assert await socket.receive() == "hello"
        await w.settle()
        assert node.mailbox(ECHO_ID) == 0

    passed(test)


def test_a_process_that_is_not_there_gets_no_socket():
    async def test(w: World) -> None:
        node = await w.node("alice.nec", [ECHO])
        with pytest.raises((RegisterRefused, SocketEnded)):
            async with node.http().ws("nobody:echo:nectar"):
                pass

    passed(test)


def test_a_crash_ends_the_socket_and_the_door_opens_again_with_the_node():
    async def test(w: World) -> None:
        node = await w.node("alice.nec", [ECHO])
        async with node.http().ws(ECHO_ID) as socket:
            node.crash()
            with pytest.raises(SocketEnded):
                await socket.receive()
        with pytest.raises(Exception, match="does not run"):
            await node.http().get("/")
        await node.restart()
        assert (await node.http().get(f"/{ECHO_ID}/")).status == 200

    passed(test)
