"""Static content through the door of a whole node."""

from __future__ import annotations

from kernel.message import Payload
from sys_processes.http_server.protocol import Bind
from tests.support.web_app import App
from tests.support.web_node import APP, web_node

PATH = f"/{APP}/x"


async def test_a_browser_asks_again_and_gets_what_is_new_and_nothing_else() -> None:
    """C-089, C-105."""
    async with web_node() as web:
        app = await web.started(App())
        bind = Bind("/x", False, False, cache=True)
        assert await app.ask(bind, Payload("text/css", b"a{}")) is None
        etag = (await web.http("GET", PATH)).header("etag")
        again = await web.http("GET", PATH, if_none_match=etag)
        assert (again.status, again.body, again.header("etag")) == (304, b"", etag)
        assert await app.ask(bind, Payload("text/css", b"b{}")) is None
        new = await web.http("GET", PATH, if_none_match=etag)
        assert (new.status, new.body) == (200, b"b{}")
        assert app.calls() == []


async def test_a_player_asks_for_parts_and_nonsense_gives_the_whole() -> None:
    async with web_node() as web:
        app = await web.started(App())
        assert (
            await app.ask(Bind("/x", False, False, cache=True), Payload("audio/ogg", b"0123456789")) is None
        )
        client = web.client()
        part = await client.ask("GET", PATH, range="bytes=3-5")
        assert (part.status, part.body, part.header("content-range")) == (206, b"345", "bytes 3-5/10")
        beyond = await client.ask("GET", PATH, range="bytes=10-")
        assert (beyond.status, beyond.header("content-range")) == (416, "bytes */10")
        for nonsense in (
            "bytes=9-1",
            "bytes=0-0,2-3",
            "pages=1-2",
            "bytes=-",
            "=",
            "bytes=99999999999999999999-1",
        ):
            whole = await client.ask("GET", PATH, range=nonsense)
            assert (whole.status, whole.body) == (200, b"0123456789")
        head = await client.ask("HEAD", PATH, range="bytes=3-5")
        assert (head.status, head.header("content-length"), head.body) == (200, "10", b"")
        await client.close()


async def test_a_condition_on_another_method_is_for_the_process() -> None:
    """C-089."""
    async with web_node() as web:
        app = await web.started(App())
        assert await app.ask(Bind("/x", False, False, cache=True), b"words") is None
        reply = await web.http("POST", PATH, b"data", if_none_match="*", range="bytes=0-1")
        assert (reply.status, reply.body) == (200, b"ok")
        assert app.calls()[0][0].headers["range"] == "bytes=0-1"
