"""HTTP calls of processes that are slow, full, crash or are killed (PROTOCOL 6.4, 6.7)."""

from __future__ import annotations

import trio

from kernel.mailbox import Limits
from kernel.message import OnExit, Request
from kernel.syscalls import current
from runtime.sim.clients import HttpClient, request_bytes
from sys_processes.http_server.protocol import ACTION, Bind
from sys_processes.http_server.settings import HttpSettings
from tests.support.web_app import SERVER, App
from tests.support.web_node import APP, WebNode, settle, web_node

PATH = f"/{APP}/x"


def bind(
    path: str = "/x", *, authenticated: bool = False, local_only: bool = False, cache: bool = False
) -> Bind:
    return Bind(path, authenticated, local_only, cache)


def silent() -> App:
    """Leaves every call open."""
    return App(lambda call, body: None)


async def timed(web: WebNode, path: str = PATH) -> tuple[int, float]:
    """Status and how many seconds it took."""
    started = trio.current_time()
    reply = await web.http("GET", path)
    return reply.status, trio.current_time() - started


async def test_a_process_that_does_not_answer_gives_408_after_15_seconds() -> None:
    """C-095."""
    async with web_node() as web:
        await web.started(silent(), APP, bind("/x"))
        assert await timed(web) == (408, 15)
        assert web.node.kernel.router.open == {}


async def test_the_limit_can_be_set_below_a_second() -> None:
    """`http.timeout`."""
    async with web_node(HttpSettings(timeout=0.25)) as web:
        await web.started(silent(), APP, bind("/x"))
        assert await timed(web) == (408, 0.25)
        assert web.node.kernel.router.open == {}


async def test_a_late_answer_harms_nobody_and_the_next_call_gets_its_own() -> None:
    """C-095, F-56."""
    async with web_node() as web:
        app = await web.started(
            App(lambda call, body: (200, {}, call.query_params["n"].encode())), APP, bind("/x")
        )
        app.hold()
        client = web.client()
        assert (await client.ask("GET", f"{PATH}?n=1")).status == 408
        app.open.set()
        assert (await client.ask("GET", f"{PATH}?n=2")).body == b"2"
        assert len(app.calls()) == 2


async def test_a_process_that_has_ended_gives_503_at_once() -> None:
    """C-096."""
    async with web_node() as web:
        app = await web.started(App(), APP, bind("/x"), bind("/y"))
        app.crash()
        await settle()
        assert await timed(web) == (503, 0)
        assert await timed(web, f"/{APP}") == (503, 0)
        assert await timed(web, "/other:app:alice.uq/x") == (404, 0)
        again = await web.started(App(), APP, bind("/y"))
        assert [await timed(web, f"/{APP}{path}") for path in ("/x", "/y")] == [(404, 0), (200, 0)]
        assert len(again.calls()) == 1


async def test_a_process_that_waits_for_its_restart_gives_503_at_once() -> None:
    """C-096."""
    async with web_node() as web:
        app = App()
        web.start(app, on_exit=OnExit.restart())
        await settle()
        for _ in range(2):  # the first restart is immediate, the second waits
            assert await app.ask(bind("/x")) is None
            assert await timed(web) == (200, 0)
            app.crash()
            await settle()
        assert await timed(web) == (503, 0)


async def test_a_call_pending_when_the_process_is_killed_gives_503_at_once_and_its_paths_are_gone() -> None:
    """C-096, C-108."""
    async with web_node() as web:
        await web.started(silent(), APP, bind("/x"))
        clients = [web.client() for _ in range(3)]
        for client in clients:
            await client.send(request_bytes("GET", PATH))
        await settle()
        started = trio.current_time()
        await web.kill()
        assert [(await client.reply()).status for client in clients] == [503] * 3
        assert (await clients[0].ask("GET", PATH)).status == 404
        assert trio.current_time() == started


async def test_a_call_pending_when_the_process_crashes_gives_503_and_the_restarted_one_binds_anew() -> None:
    """C-096, C-108."""
    async with web_node() as web:
        app = silent()
        app.at_start.append(lambda: bind_inside(bind("/x")))
        web.start(app, on_exit=OnExit.restart())
        await settle()
        client = web.client()
        await client.send(request_bytes("GET", PATH))
        await settle()
        app.crash()
        assert (await client.reply()).status == 503
        await settle()
        app.answer = lambda call, body: (200, {}, b"again")
        assert (await client.ask("GET", PATH)).body == b"again"
        assert app.runs == 2


async def bind_inside(action: Bind) -> None:
    await current().send_and_await_response(SERVER, Request(False, 5, ACTION.encode(action)))


async def test_a_full_mailbox_gives_503_at_once() -> None:
    async with web_node() as web:
        app = App()
        web.start(app, limits=Limits(messages=2))
        await settle()
        assert await app.ask(bind("/x")) is None
        app.hold()
        clients: list[HttpClient] = []
        for _ in range(4):
            clients.append(web.client())
            await clients[-1].send(request_bytes("GET", PATH))
            await settle()
        assert [(await client.reply()).status for client in clients[2:]] == [503, 503]
        app.open.set()
        assert [(await client.reply()).status for client in clients[:2]] == [200, 200]


async def test_a_path_bound_while_a_call_is_pending_works_at_once_and_so_does_the_call() -> None:
    """C-104, F-55."""
    async with web_node() as web:
        app = await web.started(silent(), APP, bind("/slow"))
        client = web.client()
        await client.send(request_bytes("GET", f"/{APP}/slow"))
        await settle()
        started = trio.current_time()
        assert await app.ask(bind("/static", cache=True), b"fresh") is None
        assert (await web.http("GET", f"/{APP}/static")).body == b"fresh"
        assert await app.ask(bind("/slow", local_only=True)) is None
        assert trio.current_time() == started
        assert (await client.reply()).status == 408
        assert trio.current_time() == started + 15


async def test_calls_of_one_connection_are_answered_in_order_and_of_others_independently() -> None:
    async with web_node() as web:
        await web.started(App(lambda call, body: (200, {}, call.path().encode())), APP, bind("/"))
        await web.started(silent(), "slow:app:alice.uq", bind("/x"))
        client = web.client()
        paths = [f"/{APP}/{n}" for n in range(20)]
        await client.send(b"".join(request_bytes("GET", path) for path in paths))
        other = web.client()
        await other.send(request_bytes("GET", "/slow:app:alice.uq/x"))
        assert [(await client.reply()).body for _ in paths] == [f"/{n}".encode() for n in range(20)]
        assert (await other.reply()).status == 408
