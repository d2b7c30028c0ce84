"""The browser client on an encrypted channel, in Chromium, against a node (PROTOCOL 6.15)."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.hashes import SHA256
from playwright.sync_api import WebSocket, WebSocketRoute

from tests.browser.talking_app import PAGE, heard
from tests.support.browser import INSECURE, Tab

# The first of the test vectors of RFC 8032.
NOBODYS_KEY = "0xd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"


def as_bytes(frame: str | bytes) -> bytes:
    return frame.encode() if isinstance(frame, str) else frame


def test_an_encrypted_channel_carries_what_a_plain_one_does(page: Tab):
    """C-143."""
    page.connect(encrypted=True)
    page.send("too early")
    assert page.wait_told("open")[0] > 0
    page.wait_told("ready")
    page.send("Hello World")
    page.send({"bytes": [0, 255]})
    page.run("() => api.send({ data: new Uint8Array([1, 254]), encrypted: true })")
    assert page.wait_told("message", 4) == [
        heard('"too early"'), heard('"Hello World"'), {"bytes": [0, 255]}, heard("\x01\xfe"),
    ]  # fmt: skip


def test_what_travels_is_ciphertext_with_tag_and_nonce(page: Tab):
    """C-143."""
    sent: list[bytes] = []
    received: list[bytes] = []

    def keep(socket: WebSocket) -> None:
        socket.on("framesent", lambda frame: sent.append(as_bytes(frame)))
        socket.on("framereceived", lambda frame: received.append(as_bytes(frame)))

    page.page.on("websocket", keep)
    page.connect(encrypted=True)
    page.send("a secret")
    page.wait_told("message")
    register, frame = sent
    answer, pushed = received
    assert b'"encrypted":true' in register
    assert b'"encrypted_secret"' in answer
    assert len(frame) == len('"a secret"') + 16 + 12
    assert b"secret" not in frame + pushed


def test_the_frames_of_many_sends_stay_in_order(page: Tab):
    """C-127."""
    page.connect(encrypted=True)
    page.wait_told("ready")
    page.run("() => { for (let i = 0; i < 200; i++) api.send({ data: i }) }")
    assert page.wait_told("message", 200) == [heard(str(i)) for i in range(200)]
    page.run("() => { for (let i = 0; i < 50; i++) api.send({ data: -i }); api.close() }")
    assert page.wait_told("close") == [1000]
    page.connect(encrypted=True)
    page.send({"recent": 2})
    assert page.wait_told("message") == [["-48", "-49"]]


def test_a_channel_that_comes_back_has_a_new_key(page: Tab):
    page.connect(encrypted=True)
    page.send({"crash": True})
    page.wait_told("ready", 2)
    page.send("again")
    assert page.wait_told("message") == [heard('"again"')]


def test_a_path_bound_as_encrypted_is_met_like_the_root(page: Tab):
    page.connect(encrypted=True, uri=f"{PAGE}sealed")
    page.wait_told("ready")
    page.send(1)
    assert page.wait_told("message", 2) == [{"bytes": [*b"/sealed"]}, heard("1")]
    assert page.told("error") == []


def test_what_a_bound_path_pushes_before_it_is_encrypted_is_not_believed(page: Tab):
    held: list[str | bytes] = []

    def relay(client: WebSocketRoute) -> None:
        # The register waits for the greeting: a node that read it first would encrypt that one.
        node = client.connect_to_server()

        def from_client(frame: str | bytes) -> None:
            held.append(frame)
            if len(held) > 1:
                node.send(frame)

        def from_node(frame: str | bytes) -> None:
            client.send(frame)
            if frame == "/greeting":
                node.send(held[0])

        client.on_message(from_client)
        node.on_message(from_node)

    page.page.route_web_socket("**", relay)
    page.visit(PAGE)
    page.connect(encrypted=True, uri=f"{PAGE}greeting")
    page.wait_told("ready")
    page.send(1)
    assert page.wait_told("message") == [heard("1")]
    assert page.told("error") == [
        "encryption: a frame was dropped: it came before the channel was encrypted: bind the path with encrypted=True"
    ]


def test_on_a_path_without_a_process_of_its_own_it_is_encrypted_as_at_the_root(page: Tab):
    page.connect(encrypted=True, uri=PAGE)
    page.send(1)
    assert page.wait_told("message") == [heard("1")]


def test_a_handler_for_readiness_asks_for_an_encrypted_channel(page: Tab):
    ready = "new Promise((done) => { window.api = new NectarEncryptorApi({ onEncryptionReady: done }) })"
    assert page.run(f"() => {ready}.then((given) => given === api && api.encrypted)") is True


def test_a_node_with_another_key_is_told_and_left(page: Tab):
    page.connect(encrypted=True, publicKey=NOBODYS_KEY)
    page.send("for its eyes only")
    page.wait_told("close")
    error, *unsent = page.told("error")
    assert error.startswith("encryption: ")
    assert all(one.startswith("closed: ") for one in unsent)  # where the send came after the end
    assert page.told("open") == page.told("ready") == []


# -- somebody between, who may keep what the node signed

Form = dict[str, object]


def own_secret(register: Form, answer: Form) -> None:
    """Seal a secret of one's own for the page, under the signatures of the node."""
    key = RSAPublicNumbers(65537, int(str(register["public_key_hex"]), 16)).public_key()
    answer["encrypted_secret"] = key.encrypt(bytes(32), OAEP(MGF1(SHA256()), SHA256(), None)).hex()


def no_signature(_: Form, answer: Form) -> None:
    del answer["signed_secret"]


def that_of_the_key_alone(_: Form, answer: Form) -> None:
    answer["signed_secret"] = answer["signed_public_key"]


@pytest.mark.parametrize("change", [own_secret, no_signature, that_of_the_key_alone])
def test_a_secret_that_the_node_did_not_sign_is_told_and_nothing_sent(
    page: Tab, change: Callable[[Form, Form], None]
):
    sent: list[Form | bytes] = []

    def relay(client: WebSocketRoute) -> None:
        node = client.connect_to_server()

        def from_client(frame: str | bytes) -> None:
            sent.append(json.loads(frame) if isinstance(frame, str) else frame)
            node.send(frame)

        def from_node(frame: str | bytes) -> None:
            register, answer = sent[0], json.loads(frame)
            assert isinstance(register, dict)
            change(register, answer)
            client.send(json.dumps(answer))

        client.on_message(from_client)
        node.on_message(from_node)

    page.page.route_web_socket("**", relay)
    page.visit(PAGE)
    page.connect(encrypted=True)
    page.send("for the node only")
    page.wait_told("close")
    error, *unsent = page.told("error")
    assert error.startswith("encryption: the secret is not signed")
    assert all(one.startswith("closed: ") for one in unsent)
    assert page.told("open") == page.told("ready") == []
    assert len(sent) == 1


def test_a_plain_channel_never_sends_what_is_to_be_encrypted(page: Tab):
    page.connect()
    page.wait_told("open")
    page.run("() => api.send({ data: 'a secret', encrypted: true })")
    assert page.told("error") == [
        "encryption: a message was not sent: this channel is plain: make the client with encrypted: true"
    ]
    page.send({"recent": 1})
    assert page.wait_told("message")[0] != ['"a secret"']


def test_without_a_known_key_nothing_is_encrypted_and_nothing_sent(page: Tab):
    page.run("() => { delete our.public_key }")
    page.connect(encrypted=True)
    (error,) = page.wait_told("error")
    assert error == "encryption: the node's key is not known: load /our.js first, or give publicKey"
    for key, problem in {"0xzz": "publicKey is not hex: 0xzz", "0x1234": "is no Ed25519 key"}.items():
        page.connect(encrypted=True, publicKey=key)
        assert problem in page.wait_told("error")[0]


def test_a_page_that_is_not_secure_gets_an_error_and_no_plain_channel(tab: Tab):
    tab.visit(PAGE, host=INSECURE)
    tab.log_in()
    assert tab.run("() => window.isSecureContext") is False
    sockets: list[str] = []
    tab.page.on("websocket", lambda socket: sockets.append(socket.url))
    tab.connect(encrypted=True)
    (error,) = tab.wait_told("error")
    assert error.startswith(f"encryption: this browser encrypts only on secure pages, and http://{INSECURE}:")
    tab.send("a secret")
    assert tab.told("error")[1] == "closed: a message was not sent: the client is closed"
    assert sockets == []
    tab.connect()
    assert len(tab.wait_told("open")) == 1
