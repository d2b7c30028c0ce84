"""Secure subdomains and logging out, through a whole node."""

from __future__ import annotations

import pytest

from kernel.message import Payload
from runtime.sim.clients import Reply, UpgradeRefused
from sys_processes.http_server.protocol import Bind, SecureBind, WebSocketBind, WebSocketSecureBind
from tests.support.web_app import NODE, App
from tests.support.web_node import APP, PASSWORD, WebNode, web_node

VAULT = f"/{APP}/vault"
PROCESS_LABEL = "494bdb35658083ba42812aa440cb1a3d"
"""Of the SHA-256 of app:app:alice.uq."""
OTHER = "other:other:alice.uq"
PACKAGE_HOST = "app-alice-uq.localhost:8080"
NAME = f"nectar-auth_{NODE}"


async def vault(web: WebNode) -> App:
    """An app with a secure page, a secure socket and plain ones, and another app."""
    app = await web.started(
        App(), APP, Bind("/plain", True, False, cache=False), WebSocketSecureBind("/live")
    )
    assert await app.ask(SecureBind("/vault", cache=True), Payload("text/html", b"gold")) is None
    await web.started(App(), OTHER, Bind("/", False, False, cache=False), WebSocketBind("/", False))
    return app


async def login(web: WebNode, host: str, extra: str = "") -> Reply:
    body = f'{{"password":"{PASSWORD}"{extra}}}'.encode()
    return await web.http("POST", "/login", body, host=host)


def cookie(reply: Reply) -> str:
    assert reply.status == 200, reply
    return (reply.header("set-cookie") or "").partition(";")[0]


async def status(web: WebNode, path: str, **headers: str | None) -> int:
    return (await web.http("GET", path, **headers)).status


async def upgraded(web: WebNode, path: str, **headers: str | None) -> int:
    try:
        await web.websocket(path, **headers)
    except UpgradeRefused as refused:
        return refused.reply.status
    return 101


@pytest.mark.parametrize("host", ["HOST_OF_PROCESS", PACKAGE_HOST, PACKAGE_HOST.upper()])
async def test_a_secure_path_is_served_on_its_own_host_to_those_who_logged_in_there(host: str) -> None:
    """C-094, C-091, C-092."""
    async with web_node() as web:
        await vault(web)
        host = host.replace("HOST_OF_PROCESS", f"{PROCESS_LABEL}.localhost")
        there = cookie(await login(web, host))
        page = await web.http("GET", VAULT, host=host, cookie=there)
        assert (page.status, page.body) == (200, b"gold")
        sent = await web.http("GET", VAULT, host=host)
        assert (sent.status, sent.header("location")) == (
            307, f"http://{host.lower()}/login?redirect={VAULT}"
        )  # fmt: skip
        assert await status(web, VAULT, host=host, cookie=web.cookie()) == 401
        assert await upgraded(web, f"/{APP}/live", host=host, cookie=there) == 101
        assert await upgraded(web, f"/{APP}/live", host=host, cookie=web.cookie()) == 401


async def test_under_another_host_it_is_not_served_whatever_the_cookie() -> None:
    """C-094."""
    async with web_node() as web:
        await vault(web)
        there = cookie(await login(web, PACKAGE_HOST))
        for host in (
            "localhost:8080",
            "app-alice-uq",
            "other-alice-uq.localhost",
            "x.app-alice-uq.localhost",
        ):
            for given in (None, web.cookie(), there):
                refused = await web.http("GET", VAULT, host=host, cookie=given)
                assert refused.status == 401
                assert b"gold" not in refused.body
                assert await upgraded(web, f"/{APP}/live", host=host, cookie=given) == 401


async def test_the_login_of_a_subdomain_opens_nothing_else() -> None:
    """C-094: neither the main site, nor the RPC route, nor the paths of another package, under any Host."""
    async with web_node() as web:
        await vault(web)
        there = cookie(await login(web, PACKAGE_HOST))
        call = b'{"process":"%b"}' % OTHER.encode()
        for host, codes in ((PACKAGE_HOST, (200, 403, 403)), ("localhost:8080", (401, 401, 401))):
            assert await status(web, f"/{APP}/plain", host=host, cookie=there) == codes[0]
            assert await status(web, "/", host=host, cookie=there) == codes[1]
            rpc = await web.http(
                "POST",
                "/rpc:sys:nectar/message",
                call,
                host=host,
                cookie=there,
                content_type="application/json",
            )
            assert rpc.status == codes[2]
        assert await status(web, f"/{OTHER}", host=PACKAGE_HOST, cookie=there) == 403
        assert await upgraded(web, f"/{OTHER}", host=PACKAGE_HOST, cookie=there) == 403
        assert await status(web, f"/{OTHER}") == 200


async def test_a_socket_registers_with_the_token_of_the_subdomain_for_its_package_only() -> None:
    """C-141, C-123."""
    async with web_node() as web:
        await vault(web)
        token = cookie(await login(web, PACKAGE_HOST)).partition("=")[2]
        for process, opened in ((APP, True), (OTHER, False)):
            socket = await web.websocket("/", host=PACKAGE_HOST)
            await socket.send(web.register_frame(process, token))
            if opened:
                assert str(await socket.receive()).startswith('{"channel_id":')
            else:
                assert (await socket.ended()).code == 1008


async def test_the_body_of_a_login_may_name_the_process_and_must_mean_the_same_host() -> None:
    async with web_node() as web:
        await vault(web)
        assert (await login(web, PACKAGE_HOST, f',"subdomain":"{APP}"')).status == 200
        for host, named in ((PACKAGE_HOST, OTHER), ("localhost", APP), (PACKAGE_HOST, "nonsense")):
            refused = await login(web, host, f',"subdomain":"{named}"')
            assert (refused.status, refused.all("set-cookie")) == (400, [])


async def test_a_host_of_a_subdomain_never_gives_the_main_login() -> None:
    async with web_node() as web:
        assert (await login(web, f"{PROCESS_LABEL}.localhost")).status == 404
        assert (await login(web, PACKAGE_HOST)).status == 404
        await vault(web)
        await web.kill()
        there = cookie(await login(web, f"{PROCESS_LABEL}.localhost"))
        assert await status(web, "/", cookie=there) == 401


async def test_the_login_page_and_the_scripts_of_the_node_are_there_on_the_subdomain() -> None:
    """C-114."""
    async with web_node() as web:
        await vault(web)
        for path in ("/login", "/our", "/our.js", f"/{APP}/our.js", "/client.js"):
            assert await status(web, path, host=PACKAGE_HOST) == 200


async def test_the_cookie_of_a_later_era_is_read() -> None:
    async with web_node() as web:
        await vault(web)
        token = cookie(await login(web, PACKAGE_HOST)).partition("=")[2]
        for name, code in ((f"{NAME}@{APP}", 200), (f"{NAME}@{OTHER}", 401)):
            assert await status(web, VAULT, host=PACKAGE_HOST, cookie=f"{name}={token}") == code


@pytest.mark.parametrize("host", ["localhost:8080", PACKAGE_HOST])
async def test_logging_out_clears_the_cookie_and_leads_to_the_login(host: str) -> None:
    async with web_node() as web:
        await vault(web)
        set_by_login = (await login(web, host)).header("set-cookie") or ""
        for body in (None, b"", b"a=b"):
            out = await web.http("POST", "/logout", body, host=host, cookie=set_by_login.partition(";")[0])
            assert (out.status, out.header("location"), out.body) == (303, "/login", b"")
            attributes = set_by_login.partition(";")[2]
            assert out.all("set-cookie") == [f"{NAME}=;{attributes}; Max-Age=0"]
        https = await web.http("POST", "/logout", b"", host=host, x_forwarded_proto="https")
        assert "; Secure" in (https.header("set-cookie") or "")


async def test_only_a_post_of_this_site_logs_out() -> None:
    """F-60."""
    async with web_node() as web:
        for method in ("GET", "HEAD", "PUT", "DELETE"):
            refused = await web.http(method, "/logout", None if method in {"GET", "HEAD"} else b"x")
            assert (refused.status, refused.header("allow")) == (405, "POST")
            assert refused.all("set-cookie") == []
        for origin, code in (("http://evil.example", 403), ("null", 403), ("http://localhost:8080", 303)):
            assert (await web.http("POST", "/logout", b"", origin=origin)).status == code
        long = await web.http("POST", "/logout", b"x" * 17_000)
        assert long.status == 413
