"""Logging in through a whole node (PROTOCOL 6.8, 6.9)."""

from __future__ import annotations

import base64

import attrs
import jwt
import pytest
import trio

from kernel.address import ProcessId
from runtime.node import open_node
from runtime.sim.clients import HttpClient, Reply, request_bytes
from runtime.sim.console import MemoryConsole
from runtime.sim.listener import MemoryListener
from sys_processes.http_server.protocol import Bind
from sys_processes.http_server.tokens import LIFETIME, WeakSecret
from tests.support.web_app import NODE, App
from tests.support.web_node import APP, EPOCH, PASSWORD, SECRET, Wall, WebNode, devices, secrets, web_node

GOOD = b'{"password":"%s"}' % PASSWORD.encode()
BAD = b'{"password":"guess"}'
MINE = Bind("/mine", authenticated=True, local_only=False, cache=False)
PATH = f"/{APP}/mine"


async def post(web: WebNode, body: bytes = GOOD, path: str = "/login", **headers: str | None) -> Reply:
    return await web.http("POST", path, body, **headers)


async def test_the_right_password_gives_a_cookie_that_opens_doors() -> None:
    """C-109."""
    async with web_node() as web:
        app = await web.started(App(), APP, MINE)
        reply = await post(web)
        assert (reply.status, reply.body) == (200, b'"%s"' % base64.b64encode(b"a keyfile"))
        [cookie] = reply.all("set-cookie")
        assert cookie.startswith(f"nectar-auth_{NODE}=")
        assert cookie.endswith("; Path=/; SameSite=Strict")
        assert (await web.http("GET", PATH, cookie=f"other=1; {cookie.partition(';')[0]}")).status == 200
        assert len(app.calls()) == 1


async def test_behind_https_the_cookie_is_secure() -> None:
    async with web_node() as web:
        reply = await post(web, x_forwarded_proto="https")
        assert (reply.header("set-cookie") or "").endswith("; Secure")


async def test_a_wrong_password_gives_401_and_no_cookie() -> None:
    """C-110."""
    async with web_node() as web:
        reply = await post(web, BAD)
        assert (reply.status, reply.body) == (401, b'"Failed to decode keyfile"')
        assert reply.all("set-cookie") == []


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"password":7}', b'{"secret":"x"}', b'"x"', b"\xff"])
async def test_what_is_no_login_gives_400(body: bytes) -> None:
    """C-111."""
    async with web_node() as web:
        assert (await post(web, body)).status == 400


async def test_a_login_beyond_16_kib_gives_413_before_it_is_read() -> None:
    """C-111."""
    async with web_node() as web:
        client = web.client()
        await client.send(request_bytes("POST", "/login", content_length="16385"))
        assert (await client.reply()).status == 413
        exact = b'{"password":"%s"}' % (b"x" * (16384 - 15))
        assert (await post(web, exact)).status == 401


async def test_a_login_without_length_gives_411_and_other_methods_405() -> None:
    async with web_node() as web:
        client = web.client()
        await client.send(request_bytes("POST", "/login", transfer_encoding="chunked") + b"0\r\n\r\n")
        assert (await client.reply()).status == 411
        refused = await web.http("PUT", "/login", GOOD)
        assert (refused.status, refused.header("allow")) == (405, "GET, HEAD, POST")


async def test_the_login_page_names_the_node_and_wants_no_cookie() -> None:
    async with web_node() as web:
        page = await web.http("GET", "/login")
        assert page.status == 200
        assert b"Log in to alice.uq" in page.body


@pytest.mark.parametrize(
    ("wanted", "location"),
    [("/app:app:alice.uq/", "/app:app:alice.uq/"), ("%2F%2Fevil", None), ("@evil", None), ("/%5Cevil", None)],
)
async def test_a_login_sends_on_to_a_page_of_this_site_only(wanted: str, location: str | None) -> None:
    """F-58."""
    async with web_node() as web:
        reply = await post(web, path=f"/login?redirect={wanted}")
        assert (reply.status, reply.header("location")) == (200 if location is None else 303, location)


async def test_a_login_of_another_site_is_refused() -> None:
    """F-60."""
    async with web_node() as web:
        assert (await post(web, origin="http://evil.example")).status == 403
        assert (await post(web, origin="http://localhost:8080")).status == 200


async def test_the_token_says_who_and_until_when_and_is_refused_afterwards() -> None:
    """C-112."""
    async with web_node() as web:
        await web.started(App(), APP, MINE)
        cookie = await web.login()
        token = cookie.partition("=")[2]
        assert jwt.get_unverified_header(token) == {"alg": "HS256"}
        claims = jwt.decode(token, SECRET, algorithms=["HS256"])
        assert claims["username"] == NODE
        assert EPOCH + LIFETIME <= claims["expiration"] <= EPOCH + LIFETIME + 1
        web.wall.ahead += LIFETIME - 10
        assert (await web.http("GET", PATH, cookie=cookie)).status == 200
        web.wall.ahead += 11
        assert (await web.http("GET", PATH, cookie=cookie)).status == 401


@pytest.mark.parametrize(
    "claims",
    [
        {"username": NODE, "expiration": 0},
        {"username": NODE},
        {"username": "bob.uq", "expiration": int(EPOCH) + 1000},
        {"username": NODE, "expiration": str(int(EPOCH) + 1000)},
    ],
)
async def test_tokens_without_end_or_of_others_are_refused(claims: dict[str, object]) -> None:
    """C-112."""
    async with web_node() as web:
        app = await web.started(App(), APP, MINE)
        token = jwt.encode(claims, SECRET, algorithm="HS256")
        assert (await web.http("GET", PATH, cookie=f"nectar-auth_{NODE}={token}")).status == 401
        assert app.calls() == []


async def test_a_token_without_signature_or_of_another_secret_is_refused() -> None:
    """F-59."""
    async with web_node() as web:
        await web.started(App(), APP, MINE)
        claims = {"username": NODE, "expiration": int(EPOCH) + 1000}
        for token in (jwt.encode(claims, "", algorithm="none"), web.token(secret=SECRET[::-1])):
            assert (await web.http("GET", PATH, cookie=f"nectar-auth_{NODE}={token}")).status == 401


async def test_a_node_with_a_short_secret_does_not_start() -> None:
    """C-113."""
    weak = attrs.evolve(secrets(), jwt_secret=SECRET[:31])
    with pytest.raises(WeakSecret, match="31 bytes"):
        async with open_node(NODE, devices(MemoryListener(), MemoryConsole(), Wall()), weak):
            pass


async def test_whose_node_it_is_can_be_read_without_a_cookie() -> None:
    """C-114."""
    async with web_node() as web:
        await web.started(App(), APP, MINE)
        our = await web.http("GET", "/our")
        assert (our.status, our.header("content-type"), our.body) == (200, "text/html", b"alice.uq")
        for path in ("/our.js", f"/{APP}/our.js"):
            script = await web.http("GET", path)
            assert script.header("content-type") == "application/javascript"
            assert b"window.our.node = 'alice.uq';" in script.body
        assert (await web.http("POST", "/our", b"")).status == 405


async def test_five_wrong_passwords_in_a_minute_close_the_door_for_the_rest_of_it() -> None:
    async with web_node() as web:
        for _ in range(5):
            assert (await post(web, BAD)).status == 401
        refused = await post(web, GOOD)
        assert refused.status == 429
        seconds = int(refused.header("retry-after") or 0)
        assert 50 < seconds <= 60
        await trio.sleep(seconds)
        assert (await post(web, GOOD)).status == 200


async def test_guesses_made_at_once_are_counted_like_any_others() -> None:
    async with web_node() as web:
        statuses: list[int] = []

        async def guess(client: HttpClient) -> None:
            statuses.append((await client.ask("POST", "/login", BAD)).status)

        async with trio.open_nursery() as nursery:
            for number in range(20):
                nursery.start_soon(guess, web.client(f"10.0.0.{number}:1"))
        assert sorted(statuses) == [401] * 5 + [429] * 15


async def test_while_a_password_is_checked_others_are_served_and_who_gives_up_holds_up_nobody() -> None:
    async with web_node() as web:
        await web.started(App(), APP, Bind("/x", authenticated=False, local_only=False, cache=False))
        impatient = web.connect()
        await impatient.send_all(request_bytes("POST", "/login", GOOD))
        impatient.reset()
        started = trio.current_time()
        assert (await web.http("GET", f"/{APP}/x")).status == 200
        assert trio.current_time() == started
        assert (await post(web)).status == 200
        assert ProcessId.from_str("http_server:sys:nectar") in web.node.kernel.router.processes
