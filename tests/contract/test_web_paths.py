"""Where calls and sockets end: on a node, and among the scripted processes of `process_lib.testing`, alike."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.sim.clients import UpgradeRefused
from tests.support.web_node import settle, web_node
from userland.process_lib import Address, HttpServerError, await_message, http
from userland.process_lib.testing import ActorTest

APP = "app:app:alice.uq"

Outcome = tuple[object, ...]
"""Status and what answered: the content that is served, or the fields of the call as the process saw it."""

STATIC = ("text/html", b"<p>")


@attrs.frozen
class Step:
    """What the process asks before anybody calls."""

    call: str
    path: str

    async def take(self) -> None:
        if self.call == "bind_http_static_path":
            await http.bind_http_static_path(self.path, True, False, *STATIC)
        else:
            await getattr(http, self.call)(self.path)


@attrs.define
class Site:
    """A process that takes its steps, then answers calls with what it was told of them."""

    steps: Sequence[Step]
    refused: list[str] = attrs.Factory(list)
    opened: list[str] = attrs.Factory(list)

    async def init(self, our: Address) -> None:
        # A process that never bound anything is told of everything in a test.
        await http.bind_http_path("/bound/by/all")
        await http.bind_ws_path("/bound/by/all")
        for step in self.steps:
            try:
                await step.take()
            except HttpServerError as error:
                self.refused.append(f"{step.path} {type(error.error).__name__}")
        while True:
            match http.HttpServerRequest.from_bytes((await await_message()).ipc):
                case http.Http(call):
                    told = [call.bound_path(), call.url_params, call.path(), call.query_params]
                    http.send_response(200, {}, json.dumps(told).encode())
                case http.WebSocketOpen(path):
                    self.opened.append(path)


Ask = Callable[[Site, Sequence[tuple[str, str]]], Awaitable[list[Outcome]]]
SOCKET = "SOCKET"
"""The method of an upgrade."""


async def on_a_node(site: Site, asked: Sequence[tuple[str, str]]) -> list[Outcome]:
    async with web_node() as web:
        web.start(site, APP)
        await settle()
        return [await _ask_node(web, site, *each) for each in asked]


async def _ask_node(web, site: Site, method: str, path: str) -> Outcome:
    url = f"/{APP}{path}"
    if method == SOCKET:
        before = len(site.opened)
        try:
            socket = await web.websocket(url, cookie=web.cookie())
        except UpgradeRefused as refused:
            return (refused.reply.status,)
        # Wanted where no socket is bound, swallowed where one is.
        await socket.send(web.register_frame(APP))
        await settle()
        await socket.close()
        return tuple(site.opened[before:])
    reply = await web.http(method, url, cookie=web.cookie())
    if reply.status == 200 and reply.header("content-type") != STATIC[0]:
        return 200, json.loads(reply.body or b"0")
    return (200, STATIC[0], reply.body) if reply.status == 200 else (reply.status,)


async def in_a_test(site: Site, asked: Sequence[tuple[str, str]]) -> list[Outcome]:
    async with ActorTest(site.init, our=f"alice.uq@{APP}") as actor:
        return [await _ask_actor(actor, site, *each) for each in asked]


async def _ask_actor(actor, site: Site, method: str, path: str) -> Outcome:
    if method == SOCKET:
        before = len(site.opened)
        try:
            await actor.open_channel(path)
        except LookupError:
            return (404,)
        return tuple(site.opened[before:])
    answer = await actor.push_http(method, path)
    if answer.status == 200 and answer.headers.get("Content-Type") != STATIC[0]:
        return 200, json.loads(answer.body)
    return (200, STATIC[0], answer.body) if answer.status == 200 else (answer.status,)


def told(bound: str, path: str, url_params: dict[str, str] | None = None) -> Outcome:
    bound = "" if bound == "/" else bound
    return 200, [f"/{APP}{bound}", url_params or {}, path, {}]


BIND, FIXED, UNBIND = "bind_http_path", "bind_http_static_path", "unbind_http_path"
SERVED = (200, *STATIC)

LITERAL = [
    ([(BIND, "/x")], "GET", "/x", told("/x", "/x")),
    ([(BIND, "x")], "POST", "/x/", told("/x", "/x")),
    ([(BIND, "/x/")], "GET", "/x", told("/x", "/x")),
    ([(BIND, "/x")], "GET", "/x//", (404,)),
    ([(BIND, "/x")], "GET", "/y", (404,)),
    ([(BIND, "/x")], "GET", "/x/y", (404,)),
    ([(BIND, "/")], "GET", "/any/thing", told("/", "/any/thing")),
    ([(BIND, "/"), (BIND, "/x")], "GET", "/x", told("/x", "/x")),
    ([(FIXED, "/x")], "GET", "/x", SERVED),
    ([(FIXED, "/x")], "HEAD", "/x", (200, STATIC[0], b"")),
    ([(FIXED, "/x")], "POST", "/x", told("/x", "/x")),
    ([(FIXED, "/")], "GET", "/any/thing", SERVED),
    ([(FIXED, "/x"), (BIND, "/x")], "GET", "/x", told("/x", "/x")),
    ([(BIND, "/x"), (FIXED, "x/")], "GET", "/x", SERVED),
    ([(BIND, "/x"), (UNBIND, "x")], "GET", "/x", (404,)),
    ([(FIXED, "/x"), (UNBIND, "/x/")], "GET", "/x", (404,)),
    ([(BIND, "/"), (BIND, "/x"), (UNBIND, "/x")], "GET", "/x", told("/", "/x")),
    ([], SOCKET, "/", ("/",)),
    ([], SOCKET, "/x", (404,)),
    ([("bind_ws_path", "/x")], SOCKET, "/x/", ("/x",)),
    ([("bind_ws_path", "/x"), ("unbind_ws_path", "/x")], SOCKET, "/x", (404,)),
]
"""C-084, C-085, C-089, C-090, C-103, C-105, C-142."""

PATTERNS = [
    ([(BIND, "/f/:id")], "GET", "/f/a.b", told("/f/:id", "/f/a.b", {"id": "a.b"})),
    ([(BIND, "/f/:id")], "GET", "/f/a/b", (404,)),
    ([(BIND, "/f/*rest")], "GET", "/f/a/b", told("/f/*rest", "/f/a/b", {"rest": "a/b"})),
    ([(BIND, "/f/*rest")], "GET", "/f", (404,)),
    ([(BIND, "/f/*rest")], "GET", "/f/", (404,)),
    ([(BIND, "/f/:id"), (BIND, "/f/new")], "GET", "/f/new", told("/f/new", "/f/new")),
    ([(BIND, "/f/*rest"), (BIND, "/f/:id")], "GET", "/f/a", told("/f/:id", "/f/a", {"id": "a"})),
    ([(BIND, "/f/:id.html")], "GET", "/f/a.html", told("/f/:id.html", "/f/a.html", {"id": "a"})),
    ([(BIND, "/:")], "GET", "/a", told("/:", "/a")),
    ([(BIND, "/:a/*")], "GET", "/a/b/c", told("/:a/*", "/a/b/c", {"a": "a"})),
    ([(BIND, "/:a"), (BIND, "/:b")], "GET", "/x", told("/:b", "/x", {"b": "x"})),
    ([(BIND, "/:a"), (UNBIND, "/:b")], "GET", "/x", (404,)),
    ([(FIXED, "/:page")], "GET", "/x", SERVED),
]
"""C-100, C-101, C-102."""


@pytest.mark.parametrize("world", [on_a_node, in_a_test])
@pytest.mark.parametrize(("steps", "method", "path", "outcome"), LITERAL)
async def test_a_path_leads_where_its_bindings_say(
    world: Ask, steps: list[tuple[str, str]], method: str, path: str, outcome: Outcome
) -> None:
    site = Site([Step(*step) for step in steps])
    assert await world(site, [(method, path)]) == [outcome]
    assert site.refused == []


@pytest.mark.parametrize("world", [on_a_node, in_a_test])
@pytest.mark.parametrize(("steps", "method", "path", "outcome"), PATTERNS)
async def test_a_pattern_captures_and_the_most_literal_wins(
    world: Ask, steps: list[tuple[str, str]], method: str, path: str, outcome: Outcome
) -> None:
    site = Site([Step(*step) for step in steps])
    assert await world(site, [(method, path)]) == [outcome]
    assert site.refused == []


CALLS = [BIND, FIXED, UNBIND, "bind_ws_path", "unbind_ws_path"]
PATHS = [
    "/:x",
    "/:y",
    "/*r",
    "/a/:x",
    "/a/*r",
    "/:x.b",
    "/*",
    "/:",
    "",
    "/",
    "/a",
    "/a/",
    "a",
    "/a/b",
    "/a.b",
    "/a//",
    "/a b",
    "/a?b",
]
STEPS = st.lists(st.builds(Step, st.sampled_from(CALLS), st.sampled_from(PATHS)), max_size=8)
URLS = ["", "/", "/a", "/a/", "/a/b", "/a/b/", "/a.b", "/a//", "/b", "//a"]
ASKED = st.lists(
    st.tuples(st.sampled_from(["GET", "HEAD", "POST", SOCKET]), st.sampled_from(URLS)), max_size=8
)


@settings(max_examples=60)
@given(STEPS, ASKED)
async def test_both_worlds_agree(steps: list[Step], asked: list[tuple[str, str]]) -> None:
    real, scripted = Site(steps), Site(steps)
    # HEAD leaves nothing of a process's answer to compare.
    asked = [(method, url) for method, url in asked if method != "HEAD" or (FIXED, url) in _pairs(steps)]
    assert await in_a_test(scripted, asked) == await on_a_node(real, asked)
    assert scripted.refused == real.refused


def _pairs(steps: list[Step]) -> set[tuple[str, str]]:
    return {(step.call, step.path) for step in steps}
