"""What is remembered of a head that a client sends again and again never outlives the paths and logins it was for."""

from __future__ import annotations

import pytest
import trio

from kernel.address import Address
from kernel.message import Payload
from sys_processes.http_server.bindings import PathTable
from sys_processes.http_server.protocol import Bind, HttpServerAction, Unbind
from sys_processes.http_server.settings import HttpSettings
from sys_processes.http_server.tokens import LIFETIME
from tests.support.web_app import App
from tests.support.web_node import APP, settle, web_node

PATH = f"/{APP}/x"


def bind(*, authenticated: bool = False, local_only: bool = False, cache: bool = False) -> Bind:
    return Bind("/x", authenticated, local_only, cache)


async def test_the_same_head_again_tells_the_process_the_same() -> None:
    async with web_node() as web:
        app = await web.started(App(), APP, bind())
        client = web.client()
        for _ in range(3):
            assert (await client.ask("GET", f"{PATH}?a=1", accept="text/plain")).body == b"ok"
        first, *others = app.calls()
        assert others == [first, first]


async def test_the_same_head_with_another_body_brings_that_body() -> None:
    async with web_node() as web:
        await web.started(App(lambda call, body: (200, {}, body)), APP, bind())
        client = web.client()
        for body in (b"one", b"two"):
            assert (await client.ask("POST", PATH, body)).body == body


async def test_a_path_that_changes_its_flags_changes_them_for_who_is_connected() -> None:
    async with web_node() as web:
        app = await web.started(App(), APP, bind())
        client = web.client()
        steps: list[tuple[HttpServerAction, int]] = [
            (bind(authenticated=True), 307),
            (bind(), 200),
            (Unbind("/x"), 404),
            (bind(), 200),
        ]
        assert (await client.ask("GET", PATH)).status == 200
        for action, status in steps:
            assert await app.ask(action) is None
            assert (await client.ask("GET", PATH)).status == status, action


async def test_a_cached_path_is_served_to_who_was_answered_by_the_process_before() -> None:
    """C-089."""
    async with web_node() as web:
        app = await web.started(App(), APP, bind())
        client = web.client()
        assert (await client.ask("GET", PATH)).body == b"ok"
        assert await app.ask(bind(cache=True), Payload("text/plain", b"kept")) is None
        assert (await client.ask("GET", PATH)).body == b"kept"


async def test_a_login_that_expires_between_two_same_heads_counts_no_more() -> None:
    """C-092."""
    async with web_node() as web:
        await web.started(App(), APP, bind(authenticated=True))
        cookie = f"{web.cookie().partition('=')[0]}={web.token(age=LIFETIME - 30)}"
        client = web.client()
        assert (await client.ask("GET", PATH, cookie=cookie)).status == 200
        web.wall.ahead += 60
        assert (await client.ask("GET", PATH, cookie=cookie)).status == 401


async def test_the_same_head_finds_the_process_gone_and_back() -> None:
    async with web_node() as web:
        await web.started(App(), APP, bind())
        client = web.client()
        assert (await client.ask("GET", PATH)).status == 200
        await web.kill()
        await settle()
        assert (await client.ask("GET", PATH)).status == 404
        await web.started(App(), APP, bind())
        assert (await client.ask("GET", PATH)).status == 200


async def test_a_time_that_is_no_whole_number_of_seconds_is_kept_too() -> None:
    async with web_node(HttpSettings(timeout=1.25)) as web:
        await web.started(App(lambda call, body: None), APP, bind())
        started = trio.current_time()
        assert (await web.http("GET", PATH)).status == 408
        assert trio.current_time() - started == pytest.approx(1.25)


async def test_answers_that_differ_in_their_headers_only_are_not_mixed_up() -> None:
    async with web_node() as web:
        answers = iter([{"a": "1"}, {"a": "2"}, {"a": "1", "Set-Cookie": "k=v"}, {"a": "1"}])
        await web.started(App(lambda call, body: (200, next(answers), b"")), APP, bind())
        client = web.client()
        replies = [await client.ask("GET", PATH) for _ in range(4)]
        assert [reply.header("a") for reply in replies] == ["1", "2", "1", "1"]
        assert [reply.header("set-cookie") for reply in replies] == [None, None, "k=v", None]


def test_each_change_of_the_paths_has_an_edition_of_its_own() -> None:
    table = PathTable("n.os", can_message=lambda _: True, is_running=lambda _: True)
    source = Address.from_str(f"n.os@{APP}")
    seen = [table.edition]
    table.bind(source, bind(), None)
    seen.append(table.edition)
    table.unbind(source, Unbind("/x"))
    seen.append(table.edition)
    table.drop_all(source.process, killed=True)
    seen.append(table.edition)
    assert len(set(seen)) == 4
