"""The path table: patterns and secure subdomains."""

from __future__ import annotations

import hashlib

from kernel.address import Address
from sys_processes.http_server.bindings import (
    HOMEPAGE,
    Fixed,
    HttpBinding,
    SocketBinding,
)
from sys_processes.http_server.patterns import MOST_CAPTURES
from sys_processes.http_server.protocol import (
    Bind,
    NoPayload,
    SecureBind,
    Unbind,
    WebSocketBind,
    WebSocketSecureBind,
    WebSocketUnbind,
)
from sys_processes.http_server.subdomains import digest_label
from tests.sys_processes.http_server.tables import APP, HOME, OTHER, Node, refusal


def captured(node: Node, path: str) -> dict[str, str] | None:
    route = node.paths.route(path)
    return route.url_params(path) if isinstance(route, HttpBinding) else None


def test_a_pattern_is_bound_below_the_process_id_and_captures_undecoded() -> None:
    """C-100, C-101, C-102."""
    node = Node()
    for path in ("/files/:id", "/files/new", "/all/*rest"):
        node.bind(path)
    assert captured(node, "/p:k:u/files/a.b/") == {"id": "a.b"}
    assert captured(node, "/p%3Ak%3Au/files/a%20b%2F%3Ac") == {"id": "a%20b%2F:c"}
    assert captured(node, "/p:k:u/files/new") == {}
    assert captured(node, "/p:k:u/all/a/b//") == {"rest": "a/b/"}
    for path in ("/p:k:u/files/a/b", "/p:k:u/files", "/p:k:u/all", "/q:k:u/files/a"):
        assert node.paths.route(path) is None
    found = node.paths.route("/p:k:u/files/7")
    assert isinstance(found, HttpBinding)
    assert found.path == "/p:k:u/files/:id"


def test_a_pattern_bound_again_under_other_names_is_replaced_and_unbound_under_any() -> None:
    """C-105."""
    node = Node()
    node.bind("/:a")
    node.bind("/:b", authenticated=True)
    assert captured(node, "/p:k:u/x") == {"b": "x"}
    assert node.paths.unbind(APP, Unbind("/:c")) is None
    assert captured(node, "/p:k:u/x") is None


def test_an_id_with_a_dot_is_no_pattern() -> None:
    source = Address("alice.uq", "p:k.:u")
    node = Node()
    node.bind("/x", source)
    assert node.owner("/p:k.:u/x") == source.process
    assert node.owner("/p:k.x/x") is None


def test_the_patterns_of_the_homepage_catch_nothing_that_lies_below_another_process() -> None:
    """C-086."""
    node = Node()
    node.bind("/*all", HOME)
    node.bind("/x")
    assert node.owner("/p:k:u/x") == APP.process
    assert node.owner("/p:k:u/y") is None
    assert captured(node, "/some/page") == {"all": "some/page"}
    assert captured(node, f"/{HOMEPAGE}/y") == {"all": f"{HOMEPAGE}/y"}
    assert node.paths.route("/") is Fixed.START
    assert node.paths.route("/login") is Fixed.LOGIN


def test_the_first_segment_alone_is_tried_when_nothing_matches() -> None:
    """C-103."""
    node = Node()
    node.bind("/:page", HOME)
    node.bind("/wiki", HOME)
    assert captured(node, "/some/deep/page") == {"page": "some"}
    found = node.paths.route("/wiki/page")
    assert isinstance(found, HttpBinding)
    assert found.path == "/wiki"


def test_the_script_of_an_app_outranks_its_patterns() -> None:
    node = Node()
    node.bind("/*rest")
    assert node.paths.route("/p:k:u/our.js") is Fixed.OUR_JS


def test_a_pattern_with_more_captures_than_are_matched_is_refused() -> None:
    many = "/:a" * (MOST_CAPTURES + 1)
    assert "captures" in refusal(Node().paths.bind(APP, Bind(many, False, False, False), None))
    assert "captures" in refusal(Node().paths.bind_socket(APP, WebSocketBind(many, False)))


def test_a_secure_path_wants_a_login_and_is_known_by_two_hosts() -> None:
    """C-094."""
    node = Node()
    assert node.paths.subdomain(f"{digest_label(APP.process)}.localhost") is None
    assert node.paths.bind(APP, SecureBind("/vault", cache=False), None) is None
    assert node.paths.route("/p:k:u/vault") == HttpBinding(
        APP.process, "/p:k:u/vault", authenticated=True, local_only=False, secure=True
    )
    assert node.paths.bind(OTHER, SecureBind("/", cache=True), None) == NoPayload()
    for label in (hashlib.sha256(b"p:k:u").hexdigest()[:32], "k-u"):
        found = node.paths.subdomain(f"{label}.localhost:8080")
        assert found is not None
        assert found.serves(APP.process)
    assert node.paths.subdomain("localhost") is None


def test_a_secure_socket_makes_a_subdomain_too() -> None:
    node = Node()
    assert node.paths.bind_socket(APP, WebSocketSecureBind("/live/:room")) is None
    assert node.paths.socket_route("/p:k:u/live/7") == SocketBinding(
        APP.process, "/p:k:u/live/:room", authenticated=True, secure=True
    )
    assert node.paths.subdomain("k-u.example") is not None


def test_a_socket_pattern_tells_the_process_the_path_that_was_asked_for() -> None:
    """C-102, C-142."""
    node = Node()
    for path in ("/room/:id", "/room/lobby", "/*rest"):
        node.bind_socket(path)
    for asked, pattern in (("/room/7/", "/room/:id"), ("/room/lobby", "/room/lobby"), ("/a/b", "/*rest")):
        route = node.paths.socket_route(f"/p:k:u{asked}")
        assert isinstance(route, SocketBinding)
        assert route.path == f"/p:k:u{pattern}"
        assert route.opened_path(f"/p:k:u{asked}") == asked.removesuffix("/")
    assert node.paths.unbind_socket(APP, WebSocketUnbind("/room/:other")) is None
    route = node.paths.socket_route("/p:k:u/room/7")
    assert isinstance(route, SocketBinding)
    assert route.path == "/p:k:u/*rest"
