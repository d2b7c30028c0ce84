"""POST /login: bodies, limits, failures and where it leads; and the pages around it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.address import PackageId
from kernel.jsontext import dump, parse
from sys_processes.http_server.login import (
    BAD_BODY,
    WRONG_PASSWORD,
    AttemptLimiter,
    LoginRequest,
    logged_in,
    login_error,
    read_login,
    redirect_target,
    refuse_head,
    too_many_attempts,
    wrong_host,
)
from sys_processes.http_server.pages import login_page, only_get, our, our_js, refusal
from sys_processes.http_server.replies import HttpReply
from sys_processes.http_server.subdomains import Subdomain
from tests.sys_processes.http_server.heads import head

KEY = bytes(range(32))


def header(reply: HttpReply, name: str) -> str | None:
    return dict(reply.headers).get(name)


def password(body: bytes) -> str | None:
    request = read_login(body)
    return None if request is None else request.password


def test_a_login_body_holds_a_password() -> None:
    assert password(b'{"password":"hunter2hunter2"}') == "hunter2hunter2"
    assert password(b'{"password":"x","subdomain":null}') == "x"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"hunter2",
        b"{}",
        b'{"password":1}',
        b'"x"',
        b'{"password_hash":"0x8f"}',
        b"\xff",
        b'{"password":"x","subdomain":7}',
    ],
)
def test_another_body_is_no_login(body: bytes) -> None:
    """C-111."""
    assert read_login(body) is None


CHESS = Subdomain(PackageId("chess", "nectar"), None)


@pytest.mark.parametrize(
    ("host", "named", "subdomain", "status"),
    [
        ("localhost", None, None, None),
        ("my-host.example", None, None, None),
        ("chess-nectar.localhost", None, CHESS, None),
        ("chess-nectar.localhost", "chess:chess:nectar", CHESS, None),
        ("chess-nectar.localhost", "other:chess:nectar", CHESS, None),
        ("chess-nectar.localhost", "chess:go:nectar", CHESS, 400),
        ("chess-nectar.localhost", "chess", CHESS, 400),
        ("localhost", "chess:chess:nectar", None, 400),
        (f"{'0a' * 16}.localhost", None, None, 404),
        (f"{'0A' * 16}.example.net:80", None, None, 404),
        ("chess-nectar.localhost", None, None, 404),
        ("Chess-Nectar.LocalHost.:8080", None, None, 404),
        ("alice.localhost:8080", None, None, None),
        ("my-alice.my.localhost", None, None, None),
        ("0a" * 16, None, None, None),
    ],
)
def test_a_login_is_for_the_host_it_is_sent_to(
    host: str, named: str | None, subdomain: Subdomain | None, status: int | None
) -> None:
    reply = wrong_host(host, LoginRequest("x", named), subdomain)
    assert (None if reply is None else reply.status) == status


def test_error_bodies_are_json_strings() -> None:
    """C-110, C-111."""
    for text in (WRONG_PASSWORD, BAD_BODY):
        reply = login_error(401, text)
        assert (reply.status, parse(reply.body)) == (401, text)
        assert header(reply, "set-cookie") is None


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("GET", {}, None),
        ("HEAD", {}, None),
        ("PUT", {"content_length": "0"}, 405),
        ("DELETE", {}, 405),
        ("POST", {"transfer_encoding": "chunked"}, 411),
        ("POST", {}, 411),
        ("POST", {"content_length": "16385"}, 413),
        ("POST", {"content_length": "16384"}, None),
    ],
)
def test_what_is_refused_before_the_body_is_read(
    method: str, headers: dict[str, str], status: int | None
) -> None:
    """C-111."""
    reply = refuse_head(head(method, "/login", **headers))
    assert (None if reply is None else reply.status) == status
    if status == 405:
        assert reply is not None
        assert header(reply, "allow") == "GET, HEAD, POST"


def test_the_right_password_is_answered_with_cookie_and_keyfile() -> None:
    """C-109."""
    reply = logged_in(b"keyfile", "nectar-auth_alice.uq=T", None)
    assert (reply.status, reply.body) == (200, b'"a2V5ZmlsZQ=="')
    assert header(reply, "set-cookie") == "nectar-auth_alice.uq=T"
    assert header(reply, "location") is None


def test_a_local_redirect_is_followed() -> None:
    reply = logged_in(b"k", "c=T", "redirect=/p:k:u/x%3Fa%3D1")
    assert (reply.status, header(reply, "location")) == (303, "/p:k:u/x?a=1")
    assert header(reply, "set-cookie") == "c=T"


@pytest.mark.parametrize(
    "value",
    [
        "",
        "@evil.example",
        "//evil.example",
        "/%5Cevil.example",
        "%2F%2Fevil.example",
        "/%09/evil.example",
        "/x%0D%0Aset-cookie:a=b",
        "https://evil.example/",
        "x",
        "%09//evil.example",
        "/%ZZ",
        "/%FF",
    ],
)
def test_a_redirect_that_leaves_the_site_is_ignored(value: str) -> None:
    assert redirect_target(f"redirect={value}") is None
    assert logged_in(b"k", "c=T", f"redirect={value}").status == 200


@given(st.text(max_size=20))
def test_a_redirect_is_a_local_path_in_header_text_or_nothing(value: str) -> None:
    escaped = "".join(f"%{byte:02x}" for byte in value.encode("utf-8", "replace"))
    target = redirect_target(f"redirect={escaped}")
    assert target is None or re.fullmatch(r"/(?![/\\])[!-~]*|/", target) is not None


def test_five_failures_in_a_minute_close_the_login_for_its_rest() -> None:
    limiter = AttemptLimiter()
    for second in range(5):
        assert limiter.wait(100.0 + second) == 0
        limiter.failed(100.0 + second)
    assert limiter.wait(104.0) == 56
    assert limiter.wait(159.5) == 1
    assert limiter.wait(160.0) == 0


def test_failures_that_are_spread_out_close_nothing() -> None:
    limiter = AttemptLimiter()
    for at in range(0, 300, 15):
        assert limiter.wait(float(at)) == 0
        limiter.failed(float(at))


def test_a_clock_that_is_set_back_does_not_lock_the_owner_out() -> None:
    limiter = AttemptLimiter()
    for _ in range(5):
        limiter.failed(10_000.0)
    assert limiter.wait(5_000.0) == 0


@given(st.lists(st.floats(0, 30), max_size=30))
def test_no_minute_sees_more_than_five_failures(pauses: list[float]) -> None:
    limiter = AttemptLimiter()
    now = 0.0
    failures: list[float] = []
    for pause in pauses:
        now += pause
        if limiter.wait(now) == 0:
            limiter.failed(now)
            failures.append(now)
    assert all(late - early >= 60 for early, late in zip(failures, failures[5:], strict=False))


def test_too_many_attempts_say_when_to_come_back() -> None:
    reply = too_many_attempts(56)
    assert (reply.status, header(reply, "retry-after")) == (429, "56")


# -- pages


def text(reply: HttpReply) -> str:
    return reply.body.decode()


def test_pages_load_nothing_from_elsewhere_and_say_so() -> None:
    for page in (
        login_page("alice.uq"),
        refusal(head(accept="text/html"), 404, "no"),
    ):
        assert re.search(r"(src|href)\s*=\s*[\"'](?!/\"|data:)|url\(|@import|https?://", text(page)) is None
        policy = header(page, "content-security-policy") or ""
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy


def test_pages_are_for_phones_screen_readers_and_the_night() -> None:
    page = text(login_page("alice.uq"))
    for wanted in (
        '<html lang="en">',
        'name="viewport"',
        "prefers-color-scheme: dark",
        '<label for="password">',
        'role="alert"',
        'autocomplete="current-password"',
    ):
        assert wanted in page


def test_the_login_page_names_the_node_and_comes_with_any_status() -> None:
    page = login_page("alice.uq", 401)
    assert (page.status, header(page, "content-type")) == (401, "text/html; charset=utf-8")
    assert "Log in to alice.uq" in text(page)


def test_whatever_a_node_is_called_is_escaped() -> None:
    name = "<script>'\"&</script>"
    for page in (login_page(name), our(name)):
        assert "<script>'" not in text(page)
    script = text(our_js(name, KEY))
    assert "</script>" not in script
    assert script.count("'") == 4


def test_a_refusal_says_what_is_wrong_without_passing_markup_on() -> None:
    page = refusal(head(accept="text/html,*/*"), 403, "<b>no</b>")
    assert (page.status, "&lt;b&gt;no" in text(page), "<h1>Forbidden</h1>" in text(page)) == (403, True, True)
    line = refusal(head(accept="*/*"), 403, "no")
    assert (line.status, line.body) == (403, b"no\n")


def test_our_and_our_js_name_the_node() -> None:
    """C-114."""
    assert our("alice.uq").body == b"alice.uq"
    assert header(our("alice.uq"), "content-type") == "text/html"
    assert our_js("alice.uq", KEY).body == (
        b"window.our = {};\nwindow.our.node = 'alice.uq';\nwindow.our.public_key = '0x%b';\n"
        % KEY.hex().encode()
    )
    assert header(our_js("alice.uq", KEY), "content-type") == "application/javascript"
    assert only_get().status == 405


def test_the_password_is_sent_as_json_text() -> None:
    assert password(dump({"password": 'é"\\'})) == 'é"\\'
