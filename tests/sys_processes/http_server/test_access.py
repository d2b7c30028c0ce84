"""Who may ask for what: order of checks, Origin, Host, proxies and redirects."""

from __future__ import annotations

import pytest

from kernel.address import ProcessId
from sys_processes.http_server.access import (
    Allow,
    Refuse,
    SendToLogin,
    ShowLogin,
    Verdict,
    check_http,
    check_upgrade,
    is_local_caller,
    socket_address,
)
from sys_processes.http_server.bindings import HOMEPAGE, Fixed, HttpBinding, RegisterRoute, SocketBinding
from sys_processes.http_server.http1 import RequestHead
from sys_processes.http_server.origins import Authority, Origin, is_loopback
from sys_processes.http_server.settings import BadSetting, HttpSettings
from sys_processes.http_server.subdomains import Subdomain, digest_label
from sys_processes.http_server.tokens import Session
from tests.sys_processes.http_server.heads import head

APP = ProcessId("p", "k", "u")
OPEN = HttpBinding(APP, "/p:k:u/x", authenticated=False, local_only=False)
GUARDED = HttpBinding(APP, "/p:k:u/x", authenticated=True, local_only=False)
LOCAL = HttpBinding(APP, "/p:k:u/x", authenticated=False, local_only=True)
BOTH = HttpBinding(APP, "/p:k:u/x", authenticated=True, local_only=True)
SOCKET = SocketBinding(APP, "/p:k:u", authenticated=True)
OPEN_SOCKET = SocketBinding(APP, "/p:k:u", authenticated=False)
AFAR = "203.0.113.9:5000"
NOBODY: frozenset[Origin] = frozenset()


def verdict(
    request: RequestHead,
    route: Fixed | HttpBinding | None,
    session: Session = Session.ABSENT,
    trusted: frozenset[Origin] = NOBODY,
) -> Verdict:
    return check_http(request, route, session, trusted)


def status(found: Verdict) -> int:
    match found:
        case Allow():
            return 200
        case Refuse(code, _):
            return code
        case SendToLogin():
            return 307
        case ShowLogin():
            return 401


def test_an_unbound_path_is_not_found_whoever_asks() -> None:
    """C-090."""
    for session in Session:
        assert status(verdict(head(peer=AFAR), None, session)) == 404


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_without_a_cookie_a_reader_is_sent_to_the_login(method: str) -> None:
    """C-091."""
    found = verdict(head(method, "/p:k:u/x?a=1&b=2"), GUARDED)
    assert found == SendToLogin("http://localhost:8080/login?redirect=/p:k:u/x%3Fa%3D1%26b%3D2")


def test_the_login_has_the_scheme_that_the_proxy_was_asked_with() -> None:
    """C-091."""
    for told, scheme in (
        ("https", "https"),
        ("https, http", "https"),
        ("HTTPS", "https"),
        ("gopher", "http"),
    ):
        found = verdict(head(target="/x", host="node.example", x_forwarded_proto=told), GUARDED)
        assert found == SendToLogin(f"{scheme}://node.example/login?redirect=/x")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_without_a_cookie_a_writer_gets_401_and_is_not_redirected(method: str) -> None:
    assert verdict(head(method), GUARDED) == ShowLogin()


def test_a_wrong_cookie_gets_401() -> None:
    """C-092."""
    for method in ("GET", "POST"):
        assert verdict(head(method), GUARDED, Session.INVALID) == ShowLogin()


def test_a_valid_cookie_opens_a_guarded_path_and_the_start_page() -> None:
    for route in (GUARDED, Fixed.START):
        assert verdict(head(), route, Session.VALID) == Allow()
        assert status(verdict(head(), route)) == 307


@pytest.mark.parametrize("session", Session)
@pytest.mark.parametrize("route", [OPEN, Fixed.LOGIN, Fixed.OUR, Fixed.OUR_JS, Fixed.CLIENT])
def test_open_paths_ask_for_no_cookie(route: Fixed | HttpBinding, session: Session) -> None:
    """C-114."""
    assert verdict(head(peer=AFAR), route, session) == Allow()


@pytest.mark.parametrize(
    "request_head",
    [
        head(peer=AFAR),
        head(peer=None),
        head(x_forwarded_for="127.0.0.1"),
        head(forwarded="for=127.0.0.1"),
        head(peer="[2001:db8::1]:9"),
    ],
)
def test_a_local_path_is_closed_to_other_machines_and_through_proxies(request_head: RequestHead) -> None:
    """C-093."""
    for route in (LOCAL, BOTH):
        for session in Session:
            assert status(verdict(request_head, route, session)) == 403


@pytest.mark.parametrize("peer", ["127.0.0.1:1", "127.8.9.1:1", "[::1]:1", "[::ffff:127.0.0.1]:1"])
def test_a_local_path_is_open_to_this_machine(peer: str) -> None:
    """C-093."""
    assert verdict(head(peer=peer), LOCAL) == Allow()


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("localhost", True),
        ("LOCALHOST:8080", True),
        ("app.localhost:8080", True),
        ("localhost.:1", True),
        ("127.0.0.1:8080", True),
        ("[::1]:8080", True),
        ("evil.example", False),
        ("localhost.evil.example", False),
        ("notlocalhost", False),
        ("203.0.113.9", False),
        ("a%zz", False),
        ("[::1", False),
    ],
)
def test_a_local_path_wants_a_host_that_no_name_server_can_point_here(host: str, allowed: bool) -> None:
    assert (verdict(head(host=host), LOCAL) == Allow()) is allowed


def test_a_client_without_host_means_localhost() -> None:
    bare = head()
    del bare.fields["host"]
    assert verdict(bare, LOCAL) == Allow()
    assert verdict(bare, GUARDED) == SendToLogin("http://localhost/login?redirect=/")


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("http://localhost:8080", True),
        ("https://localhost:8080", True),
        ("http://LocalHost:8080", True),
        ("http://localhost", False),
        ("http://localhost:5173", False),
        ("http://evil.example", False),
        ("http://localhost:8080.evil.example", False),
        ("null", False),
        ("", False),
    ],
)
def test_a_page_of_another_site_changes_nothing_behind_a_login(origin: str, allowed: bool) -> None:
    """C-119."""
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        found = verdict(head(method, origin=origin), GUARDED, Session.VALID)
        assert status(found) == (200 if allowed else 403)
    assert verdict(head("GET", origin=origin), GUARDED, Session.VALID) == Allow()
    assert verdict(head("POST", origin=origin), OPEN) == Allow()


def test_a_cross_origin_call_gets_403_with_any_cookie_and_without() -> None:
    """C-119."""
    for session in Session:
        assert status(verdict(head("POST", origin="http://evil.example"), GUARDED, session)) == 403


def test_nobody_logs_a_browser_in_from_another_site() -> None:
    assert status(verdict(head("POST", "/login", origin="http://evil.example"), Fixed.LOGIN)) == 403
    assert verdict(head("POST", "/login", origin="http://localhost:8080"), Fixed.LOGIN) == Allow()
    assert verdict(head("POST", "/login"), Fixed.LOGIN) == Allow()


def test_the_default_port_of_the_pages_scheme_is_meant_by_a_host_without_port() -> None:
    for origin, code in (
        ("http://a.example", 200),
        ("https://a.example", 200),
        ("https://a.example:443", 200),
        ("https://a.example:80", 403),
        ("capacitor://a.example", 403),
    ):
        found = verdict(head("POST", host="a.example", origin=origin), GUARDED, Session.VALID)
        assert status(found) == code


def test_an_origin_of_the_settings_is_trusted() -> None:
    settings = HttpSettings(origins=("http://localhost:5173", "https://app.example/"))
    trusted = settings.trusted_origins()
    for origin, code in (
        ("http://localhost:5173", 200),
        ("https://app.example:443", 200),
        ("http://app.example", 403),
    ):
        assert status(verdict(head("POST", origin=origin), GUARDED, Session.VALID, trusted)) == code


@pytest.mark.parametrize("origin", ["null", "*", "app.example", "http://a/b", "http://a:99999", "http://u@a"])
def test_an_origin_that_is_none_cannot_be_set(origin: str) -> None:
    with pytest.raises(BadSetting, match=r"http\.origins contains"):
        HttpSettings(origins=(origin,))


def test_settings_have_the_documented_defaults_and_refuse_nonsense() -> None:
    settings = HttpSettings()
    assert (settings.timeout, settings.max_body, settings.register_timeout) == (15, 10 * 1024 * 1024, 10)
    assert (settings.max_unregistered, settings.max_channels) == (128, 20_000)
    assert (settings.origins, settings.encrypted_plain_ok, settings.rpc_open) == ((), False, False)
    with pytest.raises(BadSetting, match=r"ws\.max_channels is 0"):
        HttpSettings(max_channels=0)


# -- WebSockets


def test_a_socket_needs_somebody_who_takes_it() -> None:
    assert check_upgrade(head(), None, Session.VALID, NOBODY) == Refuse(
        404, "no process takes WebSockets here; connect to / and register"
    )


@pytest.mark.parametrize("route", [SOCKET, OPEN_SOCKET, RegisterRoute(None), RegisterRoute(APP)])
def test_a_page_of_another_site_opens_no_socket(route: SocketBinding | RegisterRoute) -> None:
    """C-145."""
    for origin in ("http://evil.example", "null"):
        found = check_upgrade(head(origin=origin), route, Session.VALID, NOBODY)
        assert status(found) == 403
    same = head(origin="http://localhost:8080")
    assert check_upgrade(same, route, Session.VALID, NOBODY) == Allow()
    assert check_upgrade(head(), route, Session.VALID, NOBODY) == Allow()


@pytest.mark.parametrize("session", [Session.ABSENT, Session.INVALID])
def test_an_authenticated_socket_wants_the_cookie(session: Session) -> None:
    """C-138, C-139."""
    assert status(check_upgrade(head(), SOCKET, session, NOBODY)) == 401
    assert check_upgrade(head(), OPEN_SOCKET, session, NOBODY) == Allow()
    assert check_upgrade(head(), RegisterRoute(None), session, NOBODY) == Allow()


# -- secure subdomains

MINE = Subdomain(APP.package_id, APP)
PACKAGE = Subdomain(APP.package_id, None)
SIBLING = Subdomain(APP.package_id, ProcessId("q", "k", "u"))
FOREIGN = Subdomain(ProcessId("p", "other", "u").package_id, None)
SECURE = HttpBinding(APP, "/p:k:u/x", authenticated=True, local_only=False, secure=True)
SECURE_SOCKET = SocketBinding(APP, "/p:k:u", authenticated=True, secure=True)


@pytest.mark.parametrize(
    ("subdomain", "status_of_secure", "status_of_plain", "status_of_start"),
    [(None, 401, 200, 200), (MINE, 200, 200, 403), (PACKAGE, 200, 200, 403), (SIBLING, 401, 200, 403),
     (FOREIGN, 401, 403, 403)],
)  # fmt: skip
def test_a_subdomain_serves_its_package_and_nothing_else(
    subdomain: Subdomain | None, status_of_secure: int, status_of_plain: int, status_of_start: int
) -> None:
    """C-094."""
    for route, code in (
        (SECURE, status_of_secure),
        (GUARDED, status_of_plain),
        (OPEN, status_of_plain),
        (Fixed.START, status_of_start),
    ):
        assert status(check_http(head(), route, Session.VALID, NOBODY, subdomain)) == code
    for socket, code in ((SECURE_SOCKET, status_of_secure), (SOCKET, status_of_plain)):
        assert status(check_upgrade(head(), socket, Session.VALID, NOBODY, subdomain)) == code


def test_the_style_of_the_node_is_there_on_every_host() -> None:
    style = HttpBinding(HOMEPAGE, "/nectar.css", authenticated=False, local_only=False)
    apps = HttpBinding(HOMEPAGE, "/apps", authenticated=True, local_only=False)
    for subdomain, code in ((None, 200), (MINE, 403)):
        assert status(check_http(head(), style, Session.ABSENT, NOBODY, subdomain)) == 200
        assert status(check_http(head(), apps, Session.VALID, NOBODY, subdomain)) == code


@pytest.mark.parametrize("route", [Fixed.LOGIN, Fixed.LOGOUT, Fixed.OUR, Fixed.OUR_JS, Fixed.CLIENT])
def test_what_is_open_to_all_is_so_on_every_host(route: Fixed) -> None:
    """C-114."""
    assert check_http(head(), route, Session.ABSENT, NOBODY, MINE) == Allow()


def test_the_host_is_judged_before_the_cookie_and_told() -> None:
    """C-094: a login on the wrong host would not help."""
    label = digest_label(APP)
    for host, subdomain, told in (
        ("localhost:8080", None, f"{label}.localhost:8080"),
        ("other-u.localhost:8080", FOREIGN, f"{label}.localhost:8080"),
        ("", None, f"{label}.localhost"),
        ("127.0.0.1:8080", None, f"{label}.localhost:8080"),
        ("[::1]", None, f"{label}.localhost"),
        ("node.example", None, f"{label}.node.example"),
    ):
        for session in Session:
            found = check_http(head(host=host), SECURE, session, NOBODY, subdomain)
            assert isinstance(found, Refuse)
            assert found.status == 401
            assert f" {told} only" in found.reason


def test_a_secure_path_sends_to_the_login_of_its_own_host() -> None:
    found = check_http(head(host="k-u.localhost"), SECURE, Session.ABSENT, NOBODY, PACKAGE)
    assert found == SendToLogin("http://k-u.localhost/login?redirect=/")
    assert check_http(head(), SECURE, Session.INVALID, NOBODY, PACKAGE) == ShowLogin()
    assert status(check_upgrade(head(), SECURE_SOCKET, Session.INVALID, NOBODY, PACKAGE)) == 401


def test_nobody_logs_a_browser_out_from_another_site() -> None:
    assert status(verdict(head("POST", "/logout", origin="http://evil.example"), Fixed.LOGOUT)) == 403
    assert verdict(head("POST", "/logout", origin="http://localhost:8080"), Fixed.LOGOUT) == Allow()


# -- addresses


@pytest.mark.parametrize(
    ("peer", "told"),
    [
        ("127.0.0.1:51234", "127.0.0.1:51234"),
        ("[::1]:80", "[::1]:80"),
        ("[::ffff:10.0.0.1]:80", "10.0.0.1:80"),
        ("pipe:7", "pipe:7"),
        (None, None),
    ],
)
def test_the_address_a_process_is_told(peer: str | None, told: str | None) -> None:
    assert socket_address(peer) == told


def test_only_addresses_are_loopback() -> None:
    assert not any(map(is_loopback, ("localhost", "", "127.0.0.1.evil.example", "10.0.0.1", "::")))
    assert not is_local_caller(head(peer="memory"))


@pytest.mark.parametrize("text", ["", "a b", "a/b", "a:b", "a:99999", "[zz]", "a:80:80"])
def test_what_is_no_host(text: str) -> None:
    assert Authority.parse(text) is None


def test_a_host_reads_back_as_written() -> None:
    for text in ("a.example", "a.example:80", "[::1]:8080"):
        assert str(Authority.parse(text)) == text
