"""The homepage on a whole node: what processes ask of it, and what browsers see."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

import pytest
import trio

from kernel.address import Address, ProcessId
from kernel.capability import Capability
from kernel.exits import ExitCause
from kernel.message import KernelMessage, OnExit
from kernel.message import Request as RawRequest
from kernel.message import Response as RawResponse
from kernel.syscalls import current
from runtime.sim.clients import Reply
from runtime.sim.store import MemoryStore
from sys_processes.homepage import process as homepage
from sys_processes.homepage.protocol import HOMEPAGE, MAY_REMOVE_OTHER, MAY_SET_STYLESHEET
from sys_processes.http_server.protocol import BOUND_ROOTS, ROOTS, Bind, BoundRoots
from sys_processes.state import process as state
from tests.support.golden import golden
from tests.support.module_node import module_node
from tests.support.web_app import NODE, SERVER, App
from tests.support.web_node import APP, WebNode, settle, web_node

HOME = Address(NODE, HOMEPAGE)
OTHER = "chat:chat:me"


async def ask(app: App, ipc: bytes, target: Address = HOME) -> bytes:
    async def job() -> bytes:
        return (await current().send_and_await_response(target, RawRequest(expects_response=5, ipc=ipc))).ipc

    return await app.do(job)


def add(label: str, **more: str) -> bytes:
    return json.dumps({"Add": {"label": label, "path": "/"} | more}).encode()


async def listed(web: WebNode) -> list[str]:
    reply = await web.http("GET", "/apps", cookie=web.cookie())
    assert (reply.status, reply.header("content-type")) == (200, "application/json")
    return [entry["label"] for entry in json.loads(reply.body)]


async def post(web: WebNode, path: str, body: bytes) -> Reply:
    return await web.http("POST", path, body, cookie=web.cookie())


async def test_an_app_that_adds_itself_is_on_the_page_until_it_removes_itself() -> None:
    async with web_node() as web:
        app = await web.started(App(), APP)
        assert await ask(app, add("Chess")) == golden("homepage/done")
        page = (await web.http("GET", "/", cookie=web.cookie())).body
        assert b'<a href="/app:app:alice.uq/" title="app:app:alice.uq">Chess</a>' in page
        apps = json.loads(await ask(app, golden("homepage/get_apps")))["GetApps"]
        assert [entry["id"] for entry in apps] == [APP]
        assert await ask(app, golden("homepage/remove")) == golden("homepage/done")
        assert await listed(web) == []


async def test_the_page_is_for_those_who_are_logged_in_and_its_style_for_all() -> None:
    """PROTOCOL 6.9."""
    async with web_node() as web:
        await settle()
        for path in ("/", "/apps"):
            assert (await web.http("GET", path)).status == 307
        for path in ("/favorite", "/order"):
            assert (await web.http("POST", path, b"[]")).status == 401
        for path in ("/nectar.css", "/kinode.css"):
            reply = await web.http("GET", path)
            assert (reply.status, reply.header("content-type")) == (200, "text/css; charset=utf-8")
            assert b"prefers-color-scheme" in reply.body


async def test_the_page_comes_with_its_policy_and_is_not_stored() -> None:
    async with web_node() as web:
        reply = await web.http("GET", "/", cookie=web.cookie())
        assert (reply.status, reply.header("content-type")) == (200, "text/html; charset=utf-8")
        assert reply.header("cache-control") == "no-store"
        assert "default-src 'none'" in (reply.header("content-security-policy") or "")
        assert (await web.http("HEAD", "/", cookie=web.cookie())).status == 200


async def test_other_methods_are_told_which_ones_there_are() -> None:
    async with web_node() as web:
        await settle()
        for method, path, allowed in (
            ("POST", "/", "GET, HEAD"),
            ("PUT", "/apps", "GET, HEAD"),
            ("GET", "/favorite", "POST"),
            ("GET", "/order", "POST"),
        ):
            reply = await web.http(method, path, b"", cookie=web.cookie())
            assert (reply.status, reply.header("allow")) == (405, allowed)


async def test_a_process_that_serves_its_root_is_listed_without_asking() -> None:
    async with web_node() as web:
        await web.started(App(), OTHER, Bind("/", authenticated=True, local_only=False, cache=False))
        await web.started(App(), APP, Bind("/x", authenticated=True, local_only=False, cache=False))
        assert await listed(web) == ["chat"]
        await web.kill(OTHER)
        assert await listed(web) == []


async def test_only_the_homepage_is_told_who_serves_its_root() -> None:
    async with web_node() as web:
        app = await web.started(App(), APP)
        assert golden("http_server/bound_roots_asked") == BOUND_ROOTS
        roots = BoundRoots((ProcessId("chess", "chess", "nectar"), ProcessId("echo", "echo", "nectar")))
        assert ROOTS.encode(roots) == golden("http_server/bound_roots")
        assert b'{"Err":{"BadRequest"' in await ask(app, BOUND_ROOTS, SERVER)


async def test_an_entry_goes_when_its_process_is_killed() -> None:
    """C-161."""
    async with web_node() as web:
        for name in (APP, OTHER):
            await ask(await web.started(App(), name), add(name))
        await web.kill(APP)
        assert await listed(web) == [OTHER]


async def test_a_process_that_crashes_adds_itself_again() -> None:
    runs: list[int] = []

    async def adds_itself() -> None:
        runs.append(len(runs))
        current().send_request(HOME, RawRequest(ipc=add(f"run {len(runs)}")))

    async def crash() -> None:
        raise RuntimeError("broken")

    async with web_node() as web:
        app = App()
        app.at_start.append(adds_itself)
        web.start(app, on_exit=OnExit.restart())
        await settle()
        assert await listed(web) == ["run 1"]
        app.at_start.append(crash)
        await app.do(lambda: _start_soon(crash))
        await settle()
        assert await listed(web) == []
        app.at_start.remove(crash)
        await trio.sleep(60)
        assert await listed(web) == [f"run {len(runs)}"]


async def _start_soon(task: Callable[[], Awaitable[None]]) -> None:
    current().start_soon(task)


async def test_entries_survive_a_crash_of_the_homepage_and_so_does_the_page() -> None:
    async with web_node() as web:
        await ask(await web.started(App(), APP), add("Chess"))
        process = web.node.kernel.router.find(HOMEPAGE)
        assert process is not None
        await web.node.kernel.kill(HOMEPAGE)
        await trio.sleep(60)
        assert await listed(web) == ["Chess"]


# -- who may do what


@pytest.mark.parametrize("ipc", ["homepage/remove_other", "homepage/set_stylesheet"])
async def test_what_concerns_others_wants_a_capability(ipc: str) -> None:
    async with web_node() as web:
        app = await web.started(App(), APP)
        answer = json.loads(await ask(app, golden(ipc)))["Err"]["NotAllowed"]["error"]
        assert "app:app:alice.uq may not ask for" in answer
        assert '{"process": "homepage:homepage:nectar", "params": "' in answer


async def test_who_holds_the_capability_may() -> None:
    async with web_node() as web:
        await ask(await web.started(App(), OTHER), add("Chat"))
        app = App()
        web.start(
            app, capabilities=[Capability(HOME, params) for params in (MAY_REMOVE_OTHER, MAY_SET_STYLESHEET)]
        )
        await settle()
        assert await ask(app, b'{"RemoveOther":"chat:chat:me"}') == golden("homepage/done")
        assert await listed(web) == []
        assert await ask(app, golden("homepage/set_stylesheet")) == golden("homepage/done")
        assert (await web.http("GET", "/kinode.css")).body.endswith(b"body{}")
        assert b"body{}</style>" in (await web.http("GET", "/", cookie=web.cookie())).body
        assert b"BadRequest" in await ask(app, b'{"SetStylesheet":"</style>"}')


async def test_what_is_malformed_or_may_not_stand_there_is_refused_and_told() -> None:
    async with web_node() as web:
        app = await web.started(App(), APP)
        for ipc in (b"nonsense", b'{"Add":{}}', add(""), add("x", icon="http://evil.example/x.png")):
            assert b'{"Err":{"BadRequest"' in await ask(app, ipc)
        await app.tell(add("x", path="/../.."))
        await settle()
        assert "refused an entry of app:app:alice.uq" in web.logged()
        assert await listed(web) == []


async def test_a_full_page_refuses_one_more() -> None:
    async with web_node() as web:
        for n in range(16):
            await ask(await web.started(App(), f"w{n}:w:me"), add(f"w{n}", widget="<p>"))
        app = await web.started(App(), APP)
        assert b'{"Err":{"NoRoom"' in await ask(app, add("one more", widget="<p>"))


async def test_other_nodes_have_no_place_on_the_page() -> None:
    async with web_node() as web:
        await settle()
        refusal = web.node.kernel.router.deliver_remote(_from_bob())
        assert refusal is None
        await settle()
        assert b"NotAllowed" in web.to_other_nodes[-1].message.ipc
        assert await listed(web) == []


def _from_bob() -> KernelMessage:
    request = RawRequest(False, 5, add("Bob was here"))
    return KernelMessage(4711, Address.from_str("bob.uq@app:app:bob.uq"), HOME, None, request, None)


async def test_a_request_that_wants_no_answer_gets_none() -> None:
    async with web_node() as web:
        app = await web.started(App(), APP)
        await app.do(_tell_homepage)
        await settle()
        assert await listed(web) == ["x"]
        assert (app.answers, app.errors) == ([], [])


async def _tell_homepage() -> None:
    current().send_request(HOME, RawRequest(ipc=add("x")))


# -- what the owner chooses


async def test_favorites_and_order_are_what_was_posted() -> None:
    async with web_node() as web:
        for name in ("a:a:me", "b:b:me", "c:c:me"):
            await ask(await web.started(App(), name), add(name))
        assert (await post(web, "/favorite", b'["c:c:me",true]')).status == 200
        assert await listed(web) == ["c:c:me", "a:a:me", "b:b:me"]
        assert (await post(web, "/order", b'[["b:b:me",0],["a:a:me",1]]')).status == 200
        assert await listed(web) == ["c:c:me", "b:b:me", "a:a:me"]
        assert (await post(web, "/order", b"nonsense")).status == 400


async def test_a_form_leads_back_to_the_page() -> None:
    async with web_node() as web:
        for name in ("a:a:me", "b:b:me"):
            await ask(await web.started(App(), name), add(name))
        reply = await post(web, "/favorite", b"id=b%3Ab%3Ame&favorite=true")
        assert (reply.status, reply.header("location")) == (303, "/#b:b:me")
        await post(web, "/favorite", b"id=b%3Ab%3Ame&favorite=false")
        reply = await post(web, "/order", b"id=b%3Ab%3Ame&move=up")
        assert (reply.status, reply.header("location")) == (303, "/?arrange#b:b:me")
        assert await listed(web) == ["b:b:me", "a:a:me"]
        assert b">Done</a>" in (await web.http("GET", "/?arrange", cookie=web.cookie())).body


async def test_a_page_of_another_site_changes_nothing() -> None:
    async with web_node() as web:
        await ask(await web.started(App(), APP), add("x"))
        reply = await web.http(
            "POST",
            "/favorite",
            b'["app:app:alice.uq",true]',
            cookie=web.cookie(),
            origin="http://evil.example",
        )
        assert reply.status == 403


# -- alone


@pytest.mark.parametrize("answer", [b'{"Err":"NoPayload"}', b"nonsense", None])
async def test_without_an_http_server_that_works_there_is_still_a_list(answer: bytes | None) -> None:
    async def http_server(our: Address) -> None:
        while True:
            if (await current().receive()).wants_response and answer is not None:
                current().send_response(RawResponse(ipc=answer))

    async def script() -> None:
        for ipc, expected in (
            (add("Chess"), b'{"Ok":null}'),
            (b'"GetApps"', b'{"GetApps":[{"id":"app:app:alice.uq"'),
        ):
            request = RawRequest(expects_response=60, ipc=ipc)
            assert (await current().send_and_await_response(HOME, request)).ipc.startswith(expected)

    modules = {"state": (state.make(MemoryStore()), False), "http_server": (http_server, True)}
    async with module_node(modules) as node:
        node.kernel.add_module(HOMEPAGE, homepage.make(), public=True)
        await node.as_process(APP, script)
        assert "cannot serve /" in "\n".join(line.text for line in node.console.recent())


async def test_a_message_that_comes_back_or_is_no_call_ends_nothing() -> None:
    async with web_node() as web:
        socket, _ = await web.registered(str(HOMEPAGE))
        await socket.send("hello?")
        await settle()
        assert await listed(web) == []


async def test_while_the_homepage_does_not_run_its_place_says_so() -> None:
    async with web_node() as web:
        await settle()
        # The first restart comes at once, the second after a while.
        for _ in range(2):
            web.node.kernel.lifecycle.ask_end(web.node.kernel.router.processes[HOMEPAGE], ExitCause.CRASH)
            await settle()
        reply = await web.http("GET", "/", cookie=web.cookie(), accept="text/html")
        assert (reply.status, b"The homepage does not run" in reply.body) == (503, True)
