"""The path table: what is served where, by whom, and what falls through."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.address import Address, ProcessId
from kernel.message import Payload
from sys_processes.http_server.bindings import (
    HOMEPAGE,
    Fixed,
    HttpBinding,
    RegisterRoute,
    SocketBinding,
    normalise,
)
from sys_processes.http_server.protocol import (
    Bind,
    NoPayload,
    SecureBind,
    Unbind,
    WebSocketBind,
    WebSocketUnbind,
)
from tests.sys_processes.http_server.tables import APP, HOME, OTHER, REMOTE, Node, refusal


def test_a_path_is_served_below_the_process_id_with_and_without_a_trailing_slash() -> None:
    """C-084."""
    node = Node()
    node.bind("/x")
    assert node.owner("/p:k:u/x") == node.owner("/p:k:u/x/") == APP.process
    assert node.owner("/p:k:u/x//") is None
    assert node.owner("/x") is None


def test_a_missing_leading_slash_is_added() -> None:
    """C-085."""
    node = Node()
    node.bind("x")
    assert node.paths.route("/p:k:u/x") == HttpBinding(APP.process, "/p:k:u/x", False, False)


def test_only_the_homepage_binds_at_the_root() -> None:
    """C-086."""
    node = Node()
    node.bind("/")
    assert node.paths.route("/") is Fixed.START
    node.bind("/", HOME)
    assert node.owner("/") == HOMEPAGE
    assert node.owner("/p:k:u") == APP.process


def test_the_homepage_cannot_take_what_lies_below_an_app() -> None:
    """C-086."""
    node = Node()
    assert "another process" in refusal(node.paths.bind(HOME, Bind("/p:k:u/x", False, False, False), None))
    assert "another process" in refusal(node.paths.bind(HOME, Bind("p%3Ak%3Au", False, False, False), None))


def test_the_start_page_returns_when_the_homepage_is_gone() -> None:
    node = Node()
    node.bind("/", HOME)
    node.paths.drop_all(HOMEPAGE, killed=True)
    assert node.paths.route("/") is Fixed.START


def test_a_cached_path_keeps_its_payload() -> None:
    """C-089."""
    node = Node()
    for payload, mime in ((Payload("text/css", b"a{}"), "text/css"), (Payload(None, b"a{}"), "text/plain")):
        assert node.paths.bind(APP, Bind("/x", False, False, cache=True), payload) is None
        route = node.paths.route("/p:k:u/x")
        assert isinstance(route, HttpBinding)
        assert route.content is not None
        assert ("content-type", mime) in route.content.whole.headers
        assert route.content.body == b"a{}"


def test_a_cached_path_without_payload_is_refused_and_binds_nothing() -> None:
    """C-088."""
    node = Node()
    assert node.paths.bind(APP, Bind("/x", False, False, cache=True), None) == NoPayload()
    assert node.owner("/p:k:u/x") is None


def test_nothing_is_served_where_nothing_is_bound() -> None:
    """C-090."""
    node = Node()
    node.bind("/x")
    for path in ("/nowhere", "/p:k:u", "/p:k:u/y", "/q:k:u/x", "/our/x", "*"):
        assert node.paths.route(path) is None


def test_the_root_of_a_process_catches_what_it_did_not_bind() -> None:
    """C-103."""
    node = Node()
    node.bind("/")
    node.bind("/x", authenticated=True)
    anything = node.paths.route("/p:k:u/any/thing.html")
    assert anything == HttpBinding(APP.process, "/p:k:u", False, False)
    route = node.paths.route("/p:k:u/x")
    assert isinstance(route, HttpBinding)
    assert route.authenticated
    assert node.owner("/q:k:u/any") is None


def test_rebinding_replaces_handler_flags_and_content() -> None:
    """C-105."""
    node = Node()
    assert node.paths.bind(APP, Bind("/x", True, True, True), Payload(None, b"old")) is None
    node.bind("/x/")
    assert node.paths.route("/p:k:u/x") == HttpBinding(APP.process, "/p:k:u/x", False, False, None)


def test_a_remote_node_binds_nothing_and_unbinds_nothing() -> None:
    """C-106."""
    node = Node()
    node.bind("/x")
    node.bind_socket("/x")
    intruder = Address("bob.uq", HOMEPAGE)
    paths = node.paths
    assert "bob.uq" in refusal(paths.bind(intruder, Bind("/", False, False, False), None))
    assert "bob.uq" in refusal(paths.bind(REMOTE, SecureBind("/x", False), None))
    assert "bob.uq" in refusal(paths.unbind(REMOTE, Unbind("/x")))
    assert "bob.uq" in refusal(paths.bind_socket(REMOTE, WebSocketBind("/y", False)))
    assert "bob.uq" in refusal(paths.unbind_socket(REMOTE, WebSocketUnbind("/x")))
    assert paths.route("/") is Fixed.START
    assert node.owner("/p:k:u/x") == APP.process
    assert isinstance(paths.socket_route("/p:k:u/x"), SocketBinding)
    assert paths.socket_route("/p:k:u/y") is None


def test_the_bindings_of_a_process_that_ended_are_gone_and_those_of_others_stay() -> None:
    """C-108."""
    node = Node(stopped=[APP.process])
    for source in (APP, OTHER):
        node.bind("/", source)
        node.bind("/x", source)
        node.bind_socket("/", source)
    node.paths.drop_all(APP.process, killed=True)
    assert node.owner("/p:k:u") is node.owner("/p:k:u/x") is None
    assert node.paths.socket_route("/p:k:u") is None
    assert node.owner("/q:k:u/x") == OTHER.process
    assert isinstance(node.paths.socket_route("/q:k:u"), SocketBinding)


def test_an_unbound_path_is_gone_and_may_be_unbound_again() -> None:
    node = Node()
    node.bind("/x")
    for _ in range(2):
        assert node.paths.unbind(APP, Unbind("x/")) is None
    assert node.owner("/p:k:u/x") is None


def test_unbinding_touches_only_ones_own_path_of_that_kind() -> None:
    node = Node()
    node.bind("/x")
    node.bind_socket("/x")
    assert node.paths.unbind(OTHER, Unbind("/x")) is None
    assert node.paths.unbind_socket(APP, WebSocketUnbind("/x")) is None
    assert node.owner("/p:k:u/x") == APP.process
    node.paths.drop_all(APP.process, killed=True)
    assert node.owner("/p:k:u/x") is None


def test_an_app_that_may_not_be_messaged_is_told_the_manifest_line() -> None:
    node = Node(silent=[APP.process])
    for error in (
        node.paths.bind(APP, Bind("/", False, False, False), None),
        node.paths.bind_socket(APP, WebSocketBind("/", False)),
    ):
        assert '"grant_capabilities": ["http_server:sys:nectar"]' in refusal(error)


def test_an_unsafe_process_id_cannot_be_served() -> None:
    source = Address("alice.uq", ProcessId("pé", "k", "u"))
    assert "characters outside" in refusal(Node().paths.bind(source, Bind("/", False, False, False), None))


@pytest.mark.parametrize("path", ["/a?b", "/a#b", "/a b", "/é", "/a\r\nb"])
def test_a_path_that_no_client_can_ask_for_is_refused(path: str) -> None:
    assert "never be requested" in refusal(Node().paths.bind(APP, Bind(path, False, False, False), None))


@pytest.mark.parametrize("path", ["/p%3Ak%3au/x", "/p:k%3Au/x", "/p%3Ak:u/x/"])
def test_an_escaped_colon_is_a_colon(path: str) -> None:
    node = Node()
    node.bind("/x")
    assert node.owner(path) == APP.process


def test_nothing_but_the_colon_is_decoded() -> None:
    node = Node()
    node.bind("/a%20b")
    node.bind("/%2e%2e")
    assert node.owner("/p:k:u/a%20b") == APP.process
    assert node.owner("/p:k:u/..") is None
    assert node.owner("/p:k:u/%2E%2E") is None


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/login", Fixed.LOGIN),
        ("/login/", Fixed.LOGIN),
        ("/our", Fixed.OUR),
        ("/our.js", Fixed.OUR_JS),
        ("/client.js", Fixed.CLIENT),
        ("/p:k:u/our.js", Fixed.OUR_JS),
        ("/not-a-process/our.js", None),
        ("/p:k:u/x/our.js", None),
        ("/rpc:sys:nectar/message", Fixed.RPC),
        ("/rpc%3Adistro%3Asys/message", Fixed.RPC),
    ],
)
def test_fixed_routes(path: str, route: Fixed | None) -> None:
    """C-114."""
    assert Node().paths.route(path) is route


def test_fixed_routes_cannot_be_taken_and_the_script_of_an_app_can() -> None:
    node = Node()
    for path in ("/login", "/our", "/our.js"):
        node.bind(path, HOME)
    assert node.paths.route("/login") is Fixed.LOGIN
    node.bind("/")
    assert node.paths.route("/p:k:u/our.js") is Fixed.OUR_JS
    node.bind("/our.js")
    assert node.owner("/p:k:u/our.js") == APP.process


def test_the_start_page_lists_apps_whose_root_is_bound() -> None:
    node = Node()
    node.bind("/", OTHER)
    node.bind("/")
    node.bind("/x", Address("alice.uq", "r:k:u"))
    node.bind("/", HOME)
    assert node.paths.bind(Address("alice.uq", "s:k:u"), SecureBind("/", cache=False), None) is None
    assert node.paths.roots() == [APP.process, OTHER.process]


# -- sockets


def test_a_bound_socket_path_is_told_to_the_process_without_its_id() -> None:
    """C-138, C-142."""
    node = Node()
    for path, told in (("/", "/"), ("/rest", "/rest"), ("a/b/", "/a/b")):
        node.bind_socket(path)
        route = node.paths.socket_route(f"/p:k:u/{path.strip('/')}")
        assert isinstance(route, SocketBinding)
        assert (route.process, route.authenticated) == (APP.process, True)
        assert route.opened_path(f"/p:k:u/{path.strip('/')}") == told


def test_the_homepage_binds_sockets_below_its_id_only() -> None:
    node = Node()
    node.bind_socket("/", HOME)
    assert node.paths.socket_route("/") == RegisterRoute(None)
    assert isinstance(node.paths.socket_route(f"/{HOMEPAGE}"), SocketBinding)


def test_any_process_may_be_registered_for_at_the_root() -> None:
    """C-120."""
    assert Node().paths.socket_route("/") == RegisterRoute(None)


@pytest.mark.parametrize("path", ["/p:k:u", "/p:k:u/", "/p%3Ak%3Au/"])
def test_a_running_process_without_a_socket_binding_is_reached_over_the_bridge(path: str) -> None:
    """C-141."""
    assert Node().paths.socket_route(path) == RegisterRoute(APP.process)


def test_there_is_no_bridge_to_a_process_that_does_not_run_or_to_a_path_below() -> None:
    """C-141."""
    node = Node(stopped=[APP.process])
    node.bind("/")
    for path in ("/p:k:u", "/q:k:u/x", "/plain", "/login"):
        assert node.paths.socket_route(path) is None


def test_a_socket_binding_does_not_catch_what_lies_below() -> None:
    node = Node()
    node.bind_socket("/")
    assert node.paths.socket_route("/p:k:u/x") is None


def test_a_socket_is_bound_as_encrypted_unless_it_may_be_served_plainly() -> None:
    """C-143."""
    for node, encrypted in ((Node(), True), (Node(encrypted_plain_ok=True), False)):
        assert node.paths.bind_socket(APP, WebSocketBind("/", True, encrypted=True)) is None
        assert node.paths.socket_route("/p:k:u") == SocketBinding(APP.process, "/p:k:u", True, encrypted)


def test_runtime_extensions_are_refused() -> None:
    assert "extension" in refusal(Node().paths.bind_socket(APP, WebSocketBind("/", True, extension=True)))


# -- in general

SEGMENT = st.text("ab%3A.:*-", max_size=4)
PATHS = st.lists(SEGMENT, max_size=3).map(lambda parts: "/" + "/".join(parts))


@given(PATHS)
def test_a_bound_path_is_found_as_bound_and_only_its_own_kind(path: str) -> None:
    node = Node()
    node.bind(path)
    assert node.owner(f"/p:k:u{path}") == APP.process
    assert node.owner(f"/q:k:u{path}") is None
    assert node.paths.unbind(APP, Unbind(path)) is None
    assert node.owner(f"/p:k:u{path}") is None


@given(PATHS)
def test_one_slash_at_the_end_makes_no_difference(path: str) -> None:
    bare = path.removesuffix("/")
    assert normalise(bare + "/") == normalise(bare) or bare.endswith("/")
