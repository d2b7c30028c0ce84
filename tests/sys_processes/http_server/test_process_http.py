"""HTTP through a whole node: paths, flags, statuses, and what the process is told (PROTOCOL 6.1-6.7, 6.11)."""

from __future__ import annotations

import pytest
import trio

from kernel.address import Address
from kernel.message import Payload, Response
from kernel.syscalls import current
from sys_processes.http_server.protocol import ACTION, Bind, NoPayload, PathBindError, Unbind
from sys_processes.http_server.settings import HttpSettings
from tests.support.web_app import App, respond
from tests.support.web_node import APP, WebNode, settle, web_node

PATH = f"/{APP}/x"


def bind(
    path: str = "/x", *, authenticated: bool = False, local_only: bool = False, cache: bool = False
) -> Bind:
    return Bind(path, authenticated, local_only, cache)


async def timed(web: WebNode, path: str = PATH) -> tuple[int, float]:
    """Status and how many seconds it took."""
    started = trio.current_time()
    reply = await web.http("GET", path)
    return reply.status, trio.current_time() - started


# -- paths


async def test_a_bound_path_is_served_below_the_process_id_with_and_without_a_trailing_slash() -> None:
    """C-084."""
    async with web_node() as web:
        app = await web.started(App(), APP, bind("/x"))
        for path in (PATH, f"{PATH}/", PATH.replace(":", "%3A")):
            assert (await web.http("GET", path)).body == b"ok"
        assert (await web.http("GET", f"{PATH}//")).status == 404
        assert len(app.calls()) == 3


async def test_a_path_without_its_slash_is_the_same_path() -> None:
    """C-085."""
    async with web_node() as web:
        await web.started(App(), APP, bind("x"))
        assert (await web.http("GET", PATH)).status == 200


async def test_only_the_homepage_binds_at_the_root() -> None:
    """C-086."""
    async with web_node() as web:
        await web.started(App(lambda call, body: (200, {}, b"app")), APP, bind("/"))
        assert (await web.http("GET", f"/{APP}/")).body == b"app"
        assert b"Log out" in (await web.http("GET", "/", cookie=web.cookie())).body


async def test_a_bind_is_answered_once_and_only_when_an_answer_is_expected() -> None:
    """C-087."""
    async with web_node() as web:
        app = await web.started(App(), APP)
        await app.tell(bind("/x"))
        assert (
            await app.ask(b'{"Bind":{"path":"/x","authenticated":false,"local_only":false,"cache":false}}')
            is None
        )
        await settle()
        assert (await web.http("GET", PATH)).status == 200
        assert (app.answers, app.errors, web.node.kernel.router.dead_letters.total) == ([], [], 0)


async def test_a_cached_bind_without_content_is_refused() -> None:
    """C-088."""
    async with web_node() as web:
        app = await web.started(App())
        assert await app.ask(bind(cache=True)) == NoPayload()
        assert (await web.http("GET", PATH)).status == 404


async def test_cached_content_is_served_without_the_process_and_other_methods_reach_it() -> None:
    """C-089."""
    async with web_node() as web:
        app = await web.started(App())
        assert await app.ask(bind("/x", cache=True), Payload("text/css", b"a{}")) is None
        assert await app.ask(bind("/plain", cache=True), b"words") is None
        app.hold()
        page, plain = await web.http("GET", PATH), await web.http("GET", f"/{APP}/plain")
        assert (page.status, page.header("content-type"), page.body) == (200, "text/css", b"a{}")
        assert plain.header("content-type") == "text/plain"
        head = await web.http("HEAD", PATH)
        assert (head.header("content-length"), head.body) == ("3", b"")
        app.open.set()
        assert (await web.http("POST", PATH, b"data")).body == b"ok"
        assert [(call.method, body) for call, body in app.calls()] == [("POST", b"data")]


async def test_what_nobody_bound_or_was_unbound_is_not_found() -> None:
    """C-090."""
    async with web_node() as web:
        app = await web.started(App(), APP, bind("/x"))
        assert (await web.http("GET", "/never")).status == 404
        assert (await web.http("GET", f"/{APP}/never")).status == 404
        assert await app.ask(Unbind("/x")) is None
        assert (await web.http("GET", PATH)).status == 404


async def test_the_root_of_a_process_catches_what_it_did_not_bind() -> None:
    """C-103."""
    async with web_node() as web:
        app = await web.started(App(), APP, bind("/"))
        assert (await web.http("GET", f"/{APP}/anything/at.all")).status == 200
        [(call, _)] = app.calls()
        assert (call.path(), call.bound_path()) == ("/anything/at.all", f"/{APP}")


async def test_patterns_compete_and_tell_the_process_what_they_captured() -> None:
    """C-100, C-101, C-102, C-103."""
    async with web_node() as web:
        app = await web.started(App())
        for path in ("/files/:id", "/files/new", "/all/*rest", "/"):
            assert await app.ask(bind(path)) is None
        for asked, bound, params in (
            ("/files/a.b", "/files/:id", {"id": "a.b"}),
            ("/files/new/", "/files/new", {}),
            ("/all/a/b%2Fc", "/all/*rest", {"rest": "a/b%2Fc"}),
            ("/all", "", {}),
            ("/files/a/b", "", {}),
        ):
            for _ in range(2):
                assert (await web.http("GET", f"/{APP}{asked}")).status == 200
                call = app.calls()[-1][0]
                assert (call.bound_path(), call.url_params) == (f"/{APP}{bound}", params)


async def test_the_same_call_means_another_pattern_once_that_is_bound_or_unbound() -> None:
    """C-102, C-105."""
    async with web_node() as web:
        app = await web.started(App(), APP, bind("/:a"))
        client = web.client()
        for change, bound in (
            (bind("/:b"), "/:b"), (bind("/x"), "/x"), (Unbind("/x"), "/:b"), (Unbind("/:other"), None)
        ):  # fmt: skip
            assert await app.ask(change) is None
            reply = await client.ask("GET", f"/{APP}/x")
            if bound is None:
                assert reply.status == 404
            else:
                assert app.calls()[-1][0].bound_path(APP) == bound
        await client.close()


async def test_binding_again_replaces_process_flags_and_content() -> None:
    """C-105."""
    async with web_node() as web:
        app = await web.started(App(), APP, bind("/x", authenticated=True))
        assert (await web.http("GET", PATH)).status == 307
        assert await app.ask(bind("/x", cache=True), b"still") is None
        assert (await web.http("GET", PATH)).body == b"still"
        assert await app.ask(bind("/x")) is None
        assert (await web.http("GET", PATH)).body == b"ok"


async def test_a_bind_from_another_node_is_refused_and_changes_nothing() -> None:
    """C-106."""
    async with web_node() as web:
        app = await web.started(App(), APP, bind("/x"))
        for action, error in (
            (bind("/x", authenticated=True), b"PathBindError"), (Unbind("/x"), b"InvalidSourceProcess")
        ):  # fmt: skip
            answer = await web.from_node(f"bob.uq@{APP}", ACTION.encode(action), None)
            assert answer is not None
            assert error in answer
        assert (await web.http("GET", PATH)).status == 200
        assert len(app.calls()) == 1


async def test_a_process_that_http_server_may_not_message_cannot_bind_and_is_told_what_to_write() -> None:
    async with web_node() as web:
        app = App()
        web.start(app, public=False)
        await settle()
        refused = await app.ask(bind("/x"))
        assert isinstance(refused, PathBindError)
        assert "grant_capabilities" in refused.error


# -- who may


async def test_without_a_cookie_a_page_that_wants_one_sends_to_the_login() -> None:
    """C-091."""
    async with web_node() as web:
        await web.started(App(), APP, bind("/x", authenticated=True))
        plain = await web.http("GET", PATH, host="example.org:81")
        proxied = await web.http("GET", PATH, host="example.org", x_forwarded_proto="https")
        assert plain.status == proxied.status == 307
        assert (plain.header("location") or "").startswith("http://example.org:81/login")
        assert (proxied.header("location") or "").startswith("https://example.org/login")
        assert (await web.http("POST", PATH, b"data")).status == 401


async def test_with_a_wrong_cookie_it_shows_the_login_and_with_a_right_one_the_page() -> None:
    """C-092."""
    async with web_node() as web:
        app = await web.started(App(), APP, bind("/x", authenticated=True))
        wrong = await web.http("GET", PATH, cookie="nectar-auth_alice.uq=e30.e30.e30")
        assert wrong.status == 401
        assert b"Log in to alice.uq" in wrong.body
        assert app.calls() == []
        assert (await web.http("GET", PATH, cookie=await web.login())).status == 200


@pytest.mark.parametrize(
    ("peer", "headers", "status"),
    [
        ("127.0.0.1:1", {}, 200),
        ("[::1]:1", {}, 200),
        ("192.168.0.7:1", {}, 403),
        ("127.0.0.1:1", {"x_forwarded_for": "10.0.0.1"}, 403),
        ("127.0.0.1:1", {"forwarded": "for=10.0.0.1"}, 403),
        ("127.0.0.1:1", {"host": "rebound.example"}, 403),
    ],
)
async def test_a_local_path_is_for_this_machine(peer: str, headers: dict[str, str], status: int) -> None:
    """C-093, F-60."""
    async with web_node() as web:
        app = await web.started(App(), APP, bind("/x", local_only=True))
        assert (await web.http("GET", PATH, None, peer=peer, **headers)).status == status
        assert len(app.calls()) == (status == 200)


async def test_a_page_of_another_site_cannot_post_with_the_cookie() -> None:
    """C-119, F-60."""
    async with web_node(HttpSettings(origins=["http://dev.local:5173"])) as web:
        app = await web.started(App(), APP, bind("/x", authenticated=True))
        cookie = web.cookie()
        for origin, status in {
            "http://evil.example": 403,
            "null": 403,
            "http://localhost:9": 403,
            "http://localhost:8080": 200,
            "http://dev.local:5173": 200,
        }.items():
            reply = await web.http("POST", PATH, b"", cookie=cookie, origin=origin)
            assert reply.status == status, origin
        assert len(app.calls()) == 2


# -- what the process sees, and says


async def test_the_process_sees_the_whole_call() -> None:
    """C-098, C-099."""
    async with web_node() as web:
        app = await web.started(App(), APP, bind("/x"))
        target = f"{PATH}/?id=bob%20uq&a=1&a=2&plus=a+b&empty"
        await web.http("PUT", target, None, X_Two="1", cookie="a=1", content_length="0")
        [(call, body)] = app.calls()
        assert call.raw_path == call.url() == f"http://localhost:8080{PATH}"
        assert (call.method, call.source_socket_addr, body) == ("PUT", "127.0.0.1:5000", b"")
        assert call.query_params == {"id": "bob uq", "a": "2", "plus": "a b", "empty": ""}
        assert call.headers["x-two"] == "1"
        assert call.url_params == {}
        assert app.heard[0].message.source == Address.from_str("alice.uq@http_server:sys:nectar")
        assert app.heard[0].message.metadata == "http"


async def test_a_set_cookie_keeps_its_attributes() -> None:
    """C-107, F-63."""
    cookie = "id=7; Path=/; HttpOnly"
    async with web_node() as web:
        await web.started(App(lambda call, body: (200, {"Set-Cookie": cookie}, b"")), APP, bind("/x"))
        assert (await web.http("GET", PATH)).all("set-cookie") == [cookie]


async def test_framing_and_line_breaks_in_the_headers_of_a_process_never_reach_the_wire() -> None:
    given = {
        "Content-Length": "1",
        "Transfer-Encoding": "chunked",
        "X-Bad": "a\r\nx-smuggled: 1",
        "X-Good": "1",
    }
    async with web_node() as web:
        await web.started(App(lambda call, body: (201, given, b"body")), APP, bind("/x"))
        reply = await web.http("GET", PATH)
        assert (reply.status, reply.body) == (201, b"body")
        assert [name for name, _ in reply.headers] == ["x-good", "content-length"]


@pytest.mark.parametrize(
    "ipc", [b"", b"no json", b"{}", b'{"status":"200","headers":{}}', b'{"status":99,"headers":{}}']
)
async def test_an_answer_that_is_none_gives_500(ipc: bytes) -> None:
    """C-097."""
    async with web_node() as web:

        class Odd(App):
            def _hear(self, message: object) -> None:
                current().send_response(Response(ipc=ipc), Payload(None, b"x"))

        await web.started(Odd(), APP, bind("/x"))
        assert await timed(web) == (500, 0)
        assert f"{APP} gave no valid HttpResponse to GET {PATH}: {ipc!r}" in web.logged()


async def test_the_payloads_mime_is_used_when_the_process_gives_no_content_type() -> None:
    async with web_node() as web:

        class Typed(App):
            def _hear(self, message: object) -> None:
                respond(200, {}, b"{}", "application/json")

        await web.started(Typed(), APP, bind("/x"))
        assert (await web.http("GET", PATH)).header("content-type") == "application/json"
