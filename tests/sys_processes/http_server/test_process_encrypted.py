"""Encrypted channels through a whole node (PROTOCOL 6.15)."""

from __future__ import annotations

import contextlib

import pytest

from runtime.sim.clients import SocketEnded, WsClient
from sys_processes.http_server.protocol import (
    WebSocketBind,
    WebSocketClose,
    WebSocketOpen,
    WebSocketPush,
    WsMessageType,
)
from sys_processes.http_server.settings import HttpSettings
from tests.support.sealed_client import SealedClient, Secret, answered, modulus, sealed, sealed_register
from tests.support.web_app import App
from tests.support.web_node import APP, settle, web_node

TEXT, BINARY, PING, PONG, CLOSE = (
    WsMessageType.Text,
    WsMessageType.Binary,
    WsMessageType.Ping,
    WsMessageType.Pong,
    WsMessageType.Close,
)
ROOT = f"/{APP}/"
REFUSED = (1008, "invalid registration")
UNREADABLE = (1008, "unreadable frame")


async def end_after(socket: WsClient, *frames: str | bytes) -> tuple[int | None, str]:
    for frame in frames:
        await socket.send(frame)
    end = await socket.ended()
    return end.code, end.reason


async def ended(client: SealedClient) -> tuple[int | None, str]:
    end = await client.socket.ended()
    return end.code, end.reason


# -- the exchange


@pytest.mark.parametrize("path", ["/", f"/{APP}", ROOT])
@pytest.mark.parametrize("binary", [False, True])
async def test_an_encrypted_register_gets_its_channel_and_a_secret_signed_by_the_node(
    path: str, binary: bool
) -> None:
    """C-143."""
    async with web_node() as web:
        app = await web.started(App())
        socket = await web.websocket(path)
        frame = sealed_register(web)
        await socket.send(frame.encode() if binary else frame)
        client = await answered(socket)
        assert app.opened() == [WebSocketOpen("/", client.channel_id)]
        assert len(client.secret.key) == 32


@pytest.mark.parametrize("path", ["/", f"/{APP}", f"/{APP}/bound", f"/{APP}/sealed"])
async def test_who_asks_is_told_that_the_secret_is_the_nodes_own(path: str) -> None:
    async with web_node() as web:
        app = await web.started(App(echo=True))
        await app.tell(WebSocketBind("/bound", authenticated=False))
        await app.tell(WebSocketBind("/sealed", authenticated=False, encrypted=True))
        socket = await web.websocket(path)
        await socket.send(sealed_register(web, sign_secret=True))
        client = await answered(socket, sign_secret=True)
        await client.send(b"sealed")
        assert await client.receive() == b"sealed"


async def test_each_channel_has_a_secret_of_its_own() -> None:
    async with web_node() as web:
        app = await web.started(App(echo=True))
        one, other = await sealed(web), await sealed(web)
        assert one.secret != other.secret
        await one.send(b"mine")
        assert await one.receive() == b"mine"
        assert await end_after(other.socket, one.secret.seal(b"not yours")) == UNREADABLE
        await one.send(b"still mine")
        assert await one.receive() == b"still mine"
        assert app.pushed(other.channel_id) == []


async def test_the_process_knows_an_encrypted_channel_before_the_client_is_told() -> None:
    """C-122."""
    async with web_node() as web:
        app = await web.started(App())
        app.hold()
        client = await sealed(web)
        assert app.opened() == []
        app.open.set()
        await settle()
        assert app.opened() == [WebSocketOpen("/", client.channel_id)]


async def test_a_client_may_seal_before_it_reads_and_the_order_is_kept() -> None:
    """C-126, C-127."""
    async with web_node() as web:
        app = await web.started(App())
        client = await sealed(web)
        for number in range(20):
            await client.send(b"%d" % number)
        await settle()
        assert app.pushed(client.channel_id) == [(BINARY, b"%d" % number) for number in range(20)]


# -- what travels


@pytest.mark.parametrize("capacity", [300, 65536])
async def test_text_and_binary_pushes_are_sealed_and_control_frames_are_not(capacity: int) -> None:
    """C-143, C-129."""
    async with web_node(capacity=capacity) as web:
        app = await web.started(App())
        client = await sealed(web)
        pushes = [
            (TEXT, "gr\u00fc\u00df".encode()),
            (BINARY, b"\0\xff"),
            (TEXT, b""),
            (BINARY, bytes(70_000)),
            (TEXT, b"\xff"),
        ]
        for kind, data in pushes:
            app.later_tell(WebSocketPush(client.channel_id, kind), data)
        app.later_tell(WebSocketPush(client.channel_id, PING), b"awake?")
        app.later_tell(WebSocketPush(client.channel_id, PONG), b"awake!")
        app.later_tell(WebSocketPush(client.channel_id, CLOSE), b"")
        for kind, data in pushes:
            assert await client.receive() == (
                data.decode("utf-8", "replace").encode() if kind is TEXT else data
            )
        assert await ended(client) == (1000, "")
        assert (client.socket.pings, client.socket.pongs) == ([b"awake?"], [b"awake!"])
        await settle()
        app.check_law(all_closed=True)


async def test_no_two_frames_look_alike() -> None:
    async with web_node() as web:
        app = await web.started(App())
        client = await sealed(web)
        for _ in range(50):
            app.later_tell(WebSocketPush(client.channel_id, TEXT), b"the same")
        frames = [await client.socket.receive() for _ in range(50)]
        assert len({frame[-12:] for frame in frames}) == 50
        assert len({frame[:-12] for frame in frames}) == 50
        assert {client.secret.open(frame) for frame in frames} == {b"the same"}


async def test_pings_are_answered_on_an_encrypted_channel() -> None:
    async with web_node() as web:
        await web.started(App(echo=True))
        client = await sealed(web)
        await client.socket.send_ping(b"there?")
        await client.send(b"x")
        await client.receive()
        assert client.socket.pongs == [b"there?"]


# -- what does not


@pytest.mark.parametrize(
    "frame",
    [
        "plain text",
        "",
        b"",
        b"short",
        bytes(27),
        bytes(28),
        bytes(100_000),
        '{"auth_token":"t","target_process":"app:app:alice.uq","encrypted":false}',
    ],
    ids=lambda frame: repr(frame)[:20],
)
async def test_what_does_not_decrypt_ends_the_channel_and_the_process_hears_of_it_once(
    frame: str | bytes,
) -> None:
    """C-143, C-128."""
    async with web_node() as web:
        app = await web.started(App(echo=True))
        bystander, _ = await web.registered()
        other = await sealed(web)
        client = await sealed(web)
        await client.send(b"before")
        assert await client.receive() == b"before"
        assert await end_after(client.socket, frame, client.secret.seal(b"behind")) == UNREADABLE
        await settle()
        assert app.closed() == [client.channel_id]
        assert app.pushed(client.channel_id) == [(BINARY, b"before")]
        await other.send(b"fine")
        assert await other.receive() == b"fine"
        await bystander.send("fine")
        assert await bystander.receive() == "fine"
        assert f"closed a WebSocket of {APP}" in web.logged()
        app.check_law()


async def test_a_changed_bit_and_an_old_secret_end_the_channel() -> None:
    async with web_node() as web:
        app = await web.started(App())
        for spoil in (
            lambda frame: frame[:-1] + bytes([frame[-1] ^ 1]),
            lambda frame: bytes([frame[0] ^ 128]) + frame[1:],
            lambda frame: frame[:-1],
            lambda frame: frame + b"\0",
        ):
            client = await sealed(web)
            assert await end_after(client.socket, spoil(client.secret.seal(b"hello"))) == UNREADABLE
        assert await end_after((await sealed(web)).socket, Secret(bytes(32)).seal(b"hello")) == UNREADABLE
        await settle()
        assert len(app.closed()) == len(app.opened()) == 5
        assert all(app.pushed(opened.channel_id) == [] for opened in app.opened())
        app.check_law(all_closed=True)


async def test_pushes_that_wait_when_a_channel_turns_unreadable_are_not_sent() -> None:
    async with web_node(capacity=100) as web:
        app = await web.started(App())
        client = await sealed(web)
        await settle()
        for _ in range(10):
            app.later_tell(WebSocketPush(client.channel_id, BINARY), bytes(1000))
        await settle()
        await client.socket.send("plain")
        await settle()
        assert app.closed() == [client.channel_id]
        received = 0
        with contextlib.suppress(SocketEnded):
            while True:
                await client.receive()
                received += 1
        assert received < 10


@pytest.mark.parametrize(
    "key",
    ["", "c0ffee", "80" + "5a" * 126 + "01", "80" + "5a" * 511 + "01", "00" * 256, "z" * 512, "ff" * 5000],
    ids=len,
)
@pytest.mark.parametrize("path", ["/", ROOT])
async def test_a_key_that_is_none_is_refused_unheard(key: str, path: str) -> None:
    """C-144."""
    for settings in (HttpSettings(), HttpSettings(encrypted_plain_ok=True)):
        async with web_node(settings) as web:
            app = await web.started(App())
            assert await end_after(await web.websocket(path), sealed_register(web, key=key)) == REFUSED
            assert app.heard == []


async def test_without_a_key_an_encrypted_register_is_refused_unless_it_may_be_served_plainly() -> None:
    """C-144, F-66."""
    async with web_node() as web:
        app = await web.started(App())
        frame = web.register_frame().replace("false", "true")
        assert await end_after(await web.websocket("/"), frame) == REFUSED
        assert app.heard == []
        assert "public_key_hex" in web.logged()
    async with web_node(HttpSettings(encrypted_plain_ok=True)) as web:
        app = await web.started(App(echo=True))
        socket = await web.websocket("/")
        await socket.send(web.register_frame().replace("false", "true"))
        assert await socket.receive() == f'{{"channel_id":{app.opened()[0].channel_id}}}'
        await socket.send("plain")
        assert await socket.receive() == "plain"


async def test_twenty_bad_registers_harm_nobody() -> None:
    async with web_node() as web:
        app = await web.started(App(echo=True))
        client = await sealed(web)
        for number in range(20):
            frame = sealed_register(web, key=modulus()[: number * 10])
            assert await end_after(await web.websocket("/"), frame) == REFUSED
        await client.send(b"fine")
        assert await client.receive() == b"fine"
        another = await sealed(web)
        assert [opened.channel_id for opened in app.opened()] == [client.channel_id, another.channel_id]


# -- how it ends


async def test_an_encrypted_channel_ends_like_any_other() -> None:
    """C-128, C-135, C-146."""
    async with web_node() as web:
        app = await web.started(App())
        left = await sealed(web)
        await left.socket.close()
        closed = await sealed(web)
        assert await app.ask(WebSocketClose(closed.channel_id)) is None
        assert await ended(closed) == (1000, "")
        await settle()
        assert app.closed() == [left.channel_id, closed.channel_id]
        orphan = await sealed(web)
        app.crash()
        assert (await ended(orphan))[0] == 1001
        app.check_law()


# -- bound paths


async def test_a_path_bound_as_encrypted_answers_a_register_with_a_key() -> None:
    """C-143, C-142, C-122."""
    async with web_node() as web:
        app = await web.started(App(echo=True), APP, WebSocketBind("/live", False, encrypted=True))
        path = f"/{APP}/live"
        socket = await web.websocket(path)
        await settle()
        assert app.heard == []
        await socket.send(sealed_register(web).replace(f'"auth_token":"{web.token()}",', ""))
        client = await answered(socket)
        assert app.opened() == [WebSocketOpen("/live", client.channel_id)]
        await client.send(b"sealed")
        assert await client.receive() == b"sealed"
        await client.socket.close()
        await settle()
        app.check_law(all_closed=True)


@pytest.mark.parametrize(
    "frame",
    [
        lambda web: "hello",
        lambda web: web.register_frame(),
        lambda web: web.register_frame().replace("false", "true"),
        lambda web: sealed_register(web, "other:app:alice.uq"),
        lambda web: sealed_register(web).replace(web.token(), "bad"),
        lambda web: sealed_register(web, key="c0ffee"),
    ],
)
async def test_a_path_bound_as_encrypted_takes_no_other_first_frame(frame: object) -> None:
    """C-144."""
    assert callable(frame)
    async with web_node() as web:
        app = await web.started(App(), APP, WebSocketBind("/", False, encrypted=True))
        assert await end_after(await web.websocket(ROOT), frame(web)) == REFUSED
        assert app.heard == []


async def test_a_path_bound_as_encrypted_waits_ten_seconds_and_wants_its_cookie_first() -> None:
    """C-124, C-139."""
    async with web_node() as web:
        await web.started(App(), APP, WebSocketBind("/", True, encrypted=True))
        with pytest.raises(Exception, match="401"):
            await web.websocket(ROOT)
        socket = await web.websocket(ROOT, cookie=web.cookie())
        assert await end_after(socket) == REFUSED


async def test_where_it_may_be_served_plainly_a_path_bound_as_encrypted_is_an_ordinary_one() -> None:
    """F-66."""
    async with web_node(HttpSettings(encrypted_plain_ok=True)) as web:
        await web.started(App(echo=True), APP, WebSocketBind("/", False, encrypted=True))
        socket = await web.websocket(ROOT)
        await socket.send("plain")
        assert await socket.receive() == "plain"
        client = await sealed(web, ROOT)
        await client.send(b"sealed")
        assert await client.receive() == b"sealed"


async def test_on_a_plain_bound_path_a_client_may_ask_for_encryption_with_its_first_frame() -> None:
    """What the process pushes before that goes out as it is."""
    async with web_node() as web:
        app = await web.started(App(echo=True), APP, WebSocketBind("/", False))
        socket = await web.websocket(ROOT)
        await settle()
        [opened] = app.opened()
        await app.tell(WebSocketPush(opened.channel_id, TEXT), b"before")
        await socket.send(sealed_register(web))
        assert await socket.receive() == "before"
        client = await answered(socket)
        assert client.channel_id == opened.channel_id
        await client.send(b"after")
        assert await client.receive() == b"after"
        await client.socket.send(sealed_register(web))
        assert await ended(client) == UNREADABLE
        assert app.pushed(opened.channel_id) == [(BINARY, b"after")]
        app.check_law(all_closed=True)


# -- the simulator


async def test_the_same_seed_draws_the_same_secret() -> None:
    """Only the seed of RSA-OAEP is the library's own."""
    secrets = []
    for seed in (1, 1, 2):
        async with web_node(seed=seed) as web:
            await web.started(App())
            secrets.append((await sealed(web)).secret)
    assert secrets[0] == secrets[1] != secrets[2]
