"""What the compiled front end of each era does, frame for frame, to an app of that era (PROTOCOL 6.14).

On a real node: each loads its page and its scripts, looks for its cookie, opens its socket, and moves a piece.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from http.cookies import SimpleCookie
from urllib.parse import urlsplit

import attrs
import pytest
import trio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from kernel.jsontext import JsonValue
from runtime.sim.clients import UpgradeRefused, WsClient, open_websocket
from tests.support.live_node import LiveNode, Person, write_package
from tests.support.sealed_client import Secret, modulus, unsealed

pytestmark = pytest.mark.real_clock

PAGE = b'<script src="/our.js"></script><script type="module" src="/%s/assets/index-1234.js"></script>'
SCRIPT = b"console.log(window.our.node)"

# Registered sockets, and pages served from the drive as the first of them did.
SEED = """
import json
from userland.process_lib import *

async def init(our):
    await http.serve_ui(our, "pkg/ui")
    await http.bind_http_path("/games", True, False)
    while True:
        try:
            message = await await_message()
            match HttpServerRequest.from_bytes(message.ipc):
                case Http(call):
                    http.send_response(200, {"Content-Type": "application/json"}, json.dumps([call.method]).encode())
                case WebSocketPush(channel_id, kind):
                    moved = {"kind": "game_update", "data": json.loads(get_payload().bytes)}
                    answer = Payload(bytes=json.dumps(moved).encode())
                    http.send_ws_push(our.node, channel_id, WsMessageType.Binary, answer)
        except (SendError, Malformed) as error:
            print(error)
"""

# Actions written by hand in the words of January 2024, and a socket that is bound.
SECOND = """
import json
from userland.process_lib import *

SERVER = ("our", "http_server", "sys", "nectar")

async def act(action, blob=None):
    asked = Request().target(SERVER).body(json.dumps(action).encode()).blob(blob)
    answer = await asked.send_and_await_response(5)
    assert json.loads(answer.body) == {"Ok": None}, answer.body

async def init(our):
    await http.serve_ui(our, "ui")
    await act({"Bind": {"path": "/games", "authenticated": True, "local_only": False, "cache": False}})
    await act({"WebSocketBind": {"path": "/", "authenticated": True, "encrypted": False}})
    while True:
        try:
            message = await await_message()
            match json.loads(message.body):
                case {"Http": call}:
                    body = LazyLoadBlob(mime="application/json", bytes=json.dumps([call["method"]]).encode())
                    Response().body(b'{"status":200,"headers":{}}').blob(body).send()
                case {"WebSocketPush": {"channel_id": channel_id}}:
                    moved = {"kind": "game_update", "data": json.loads(get_blob().bytes)}
                    push = {"WebSocketPush": {"channel_id": channel_id, "message_type": "Text"}}
                    body = LazyLoadBlob(bytes=json.dumps(moved).encode())
                    Request().target(SERVER).body(json.dumps(push).encode()).blob(body).send()
        except SendError as error:
            print(error)
"""

# The object, and the ids of the stable form.
THIRD = """
import json
from userland.process_lib import *

async def init(our):
    server = HttpServer(5)
    await server.serve_ui("ui", ["/"], HttpBindingConfig())
    await server.bind_http_path("/games", HttpBindingConfig(authenticated=True))
    await server.bind_ws_path("/", WsBindingConfig(authenticated=True))

    def answer(call):
        return HttpResponse(200).header("Content-Type", "application/json"), Payload(
            bytes=json.dumps([call.method]).encode()
        )

    def move(channel_id, kind, blob):
        moved = {"kind": "game_update", "data": json.loads(blob.bytes)}
        server.ws_push_all_channels("/", WsMessageType.Text, Payload(bytes=json.dumps(moved).encode()))

    while True:
        try:
            message = await await_message()
            server.handle_request(server.parse_request(message.body), answer, move)
        except (SendError, HttpServerError) as error:
            print(error)
"""

APPS = {
    "seed": (SEED, "http_server:sys:nectar", "vfs:sys:nectar"),
    "second": (SECOND, "http_server:sys:nectar", "vfs:sys:nectar"),
    "third": (THIRD, "http-server:distro:sys", "vfs:distro:sys"),
}
MOVE = {"kind": "move", "data": "e2e4"}
MOVED = {"kind": "game_update", "data": MOVE}


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    person = Person(tmp_path_factory.mktemp("eras"))
    folders = []
    for name, (code, *rights) in APPS.items():
        folder = write_package(
            person.home / name,
            code,
            name=name,
            public=False,
            request_capabilities=rights,
            grant_capabilities=rights,
        )
        (folder / "pkg" / "ui" / "assets").mkdir(parents=True)
        (folder / "pkg" / "ui" / "index.html").write_bytes(PAGE % f"{name}:{name}:me".encode())
        (folder / "pkg" / "ui" / "assets" / "index-1234.js").write_bytes(SCRIPT)
        folders.append(folder)
    with person.dev(*folders) as node:
        yield node


@attrs.frozen
class Page:
    """A page of an app, in a browser with what its login set."""

    node: LiveNode
    app: str
    cookies: dict[str, str]

    @property
    def cookie(self) -> str:
        return "; ".join(f"{name}={value}" for name, value in self.cookies.items())

    def looks_for(self, name: str) -> str | None:
        """As those clients do it: the first cookie whose name begins so."""
        return next((value for known, value in self.cookies.items() if known.startswith(name)), None)

    def get(self, path: str) -> bytes:
        reply = self.node.http("GET", path, cookie=self.cookie)
        assert reply.status == 200, (path, reply)
        return reply.body

    async def socket(self, path: str) -> WsClient:
        """As a browser opens it: with the cookies and the origin of the page."""
        stream = await trio.open_tcp_stream("127.0.0.1", self.node.port)
        host = urlsplit(self.node.url).netloc
        try:
            return await open_websocket(stream, path, host=host, origin=self.node.url, cookie=self.cookie)
        except UpgradeRefused:
            await stream.aclose()
            raise


@pytest.fixture(scope="module")
def cookies(node: LiveNode) -> dict[str, str]:
    """What one login sets: it takes its time."""
    login = node.http("POST", "/login", b'{"password":"secret"}')
    return {name: morsel.value for name, morsel in SimpleCookie(login.header("set-cookie")).items()}


Opened = Callable[[str], Page]


@pytest.fixture
def opened(node: LiveNode, cookies: dict[str, str]) -> Opened:
    """Loads the page of an app and what it names, and tries its API."""

    def load(name: str) -> Page:
        app = f"{name}:{name}:me"
        page = Page(node, app, cookies)
        assert b"/our.js" in page.get(f"/{app}/")
        assert b"window.our.node = 'fake.dev'" in page.get("/our.js")
        assert page.get(f"/{app}/our.js") == page.get("/our.js")
        assert page.get(f"/{app}/assets/index-1234.js") == SCRIPT
        assert page.get("/our") == b"fake.dev"
        for method in ("GET", "POST", "PUT", "DELETE"):
            reply = node.http(method, f"/{app}/games", b"{}", cookie=page.cookie, origin=node.url)
            assert (reply.status, json.loads(reply.body)) == (200, [method])
        return page

    return load


def stringify(**fields: object) -> bytes:
    """As browsers do it, which leave out what is undefined, such as the value of a cookie that is not there."""
    return json.dumps({key: value for key, value in fields.items() if value is not None}).encode()


def register(page: Page, cookie: str = "nectar-auth_fake.dev") -> bytes:
    return stringify(auth_token=page.looks_for(cookie), target_process=page.app, encrypted=False)


async def hear(socket: WsClient, kind: type[str | bytes]) -> JsonValue:
    frame = await socket.receive()
    assert isinstance(frame, kind)
    return json.loads(frame)


async def move(socket: WsClient) -> None:
    await socket.send(json.dumps(MOVE).encode())


# -- row for row


async def test_client_0_1_5_of_november_2023(opened: Opened) -> None:
    """Posts a key, checks who signed it, registers a channel by name, and says something plain and something sealed."""
    page = opened("seed")
    asked = json.dumps({"channel_id": "chess-1", "public_key_hex": modulus()}).encode()
    reply = page.node.http("POST", "/encryptor:sys:nectar", asked, cookie=page.cookie, origin=page.node.url)
    assert reply.status == 201
    answer = json.loads(reply.body)
    key = json.loads(page.get("/qns_indexer:qns_indexer:nectar/node/fake.dev"))["public_key"]
    node_key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(key.removeprefix("0x")))
    node_key.verify(bytes.fromhex(answer["signed_public_key"]), bytes.fromhex(modulus()))
    secret = Secret(unsealed(answer["encrypted_secret"]))
    known = json.loads(
        stringify(
            auth_token=page.looks_for("nectar-auth_fake.dev"),
            ws_auth_token=page.looks_for("nectar-ws-auth_fake.dev"),
            channel_id="chess-1",
        )
    )
    target = {"node": "fake.dev", "process": page.app}
    socket = await page.socket("/")
    await socket.send(json.dumps({"WsRegister": known}))
    await socket.send(json.dumps({"WsMessage": {**known, "target": target, "json": MOVE}}))
    assert await hear(socket, bytes) == MOVED
    sealed = secret.seal(json.dumps(MOVE).encode())
    parts = {"encrypted": sealed[:-12].decode("latin-1"), "nonce": sealed[-12:].decode("latin-1")}
    await socket.send(json.dumps({"EncryptedWsMessage": {**known, "target": target, **parts}}))
    assert json.loads(secret.open(await socket.receive())) == MOVED
    await socket.close()


async def test_client_0_2_0_of_december_2023_and_the_chess_bundle_of_its_time(opened: Opened) -> None:
    """C-121, C-129: binary frames on the root."""
    page = opened("seed")
    socket = await page.socket("/")
    await socket.send(register(page))
    assert list(await hear(socket, str)) == ["channel_id"]
    await move(socket)
    assert await hear(socket, bytes) == MOVED
    await socket.close()


async def test_client_0_2_1_with_an_app_that_binds_no_socket(opened: Opened) -> None:
    """C-141: what the seed's sample app does."""
    page = opened("seed")
    socket = await page.socket(f"/{page.app}/")
    await socket.send(register(page))
    assert list(await hear(socket, str)) == ["channel_id"]
    await move(socket)
    assert await hear(socket, bytes) == MOVED
    await socket.close()


async def test_client_0_2_1_and_the_chess_bundle_of_january_2024(opened: Opened) -> None:
    """C-140: it registers on a bound path, and parses every frame as JSON text."""
    page = opened("second")
    socket = await page.socket(f"/{page.app}/")
    await socket.send(register(page))
    await move(socket)
    assert await hear(socket, str) == MOVED
    await socket.close()


async def test_client_0_2_4_finds_no_cookie_of_its_name_and_its_socket_all_the_same(opened: Opened) -> None:
    """C-138, C-140: it looks for `kinode-auth_`, so its register has no token; the upgrade has our cookie."""
    page = opened("second")
    assert b"auth_token" not in register(page, "kinode-auth_fake.dev")
    socket = await page.socket(f"/{page.app}/")
    await socket.send(register(page, "kinode-auth_fake.dev"))
    await move(socket)
    assert await hear(socket, str) == MOVED
    await socket.close()


@pytest.mark.parametrize("app", ["second", "third"])
async def test_the_client_of_late_january_2024_and_later_says_nothing_first(opened: Opened, app: str) -> None:
    """C-138."""
    page = opened(app)
    socket = await page.socket(f"/{page.app}/")
    await move(socket)
    assert await hear(socket, str) == MOVED
    await socket.close()


@pytest.mark.parametrize("app", ["second", "third"])
async def test_no_client_gets_in_without_its_login(node: LiveNode, app: str) -> None:
    """C-139."""
    with pytest.raises(UpgradeRefused, match="401"):
        await Page(node, f"{app}:{app}:me", {}).socket(f"/{app}:{app}:me/")
