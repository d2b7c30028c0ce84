"""A client of an encrypted channel, on the ciphers themselves and none of the node's code; its key is the goldens'."""

from __future__ import annotations

import os
from functools import cache

import attrs
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from kernel.jsontext import parse
from runtime.sim.clients import WsClient
from tests.support.golden import FOLDER, golden
from tests.support.module_node import OneKey
from tests.support.web_node import APP, WebNode


@cache
def private_key() -> RSAPrivateKey:
    key = load_pem_private_key((FOLDER / "client_key.pem").read_bytes(), None)
    assert isinstance(key, RSAPrivateKey)
    return key


def vector(name: str) -> bytes:
    """The bytes of a hexadecimal golden line."""
    text = parse(golden(f"encryption/{name}"))
    assert isinstance(text, str)
    return bytes.fromhex(text)


def modulus() -> str:
    return vector("public_key_hex").hex()


def unsealed(encrypted_secret: object) -> bytes:
    """The secret in the answer to a register."""
    assert isinstance(encrypted_secret, str)
    return private_key().decrypt(bytes.fromhex(encrypted_secret), OAEP(MGF1(SHA256()), SHA256(), None))


def check_signature(signed_public_key: object) -> None:
    """Raises InvalidSignature."""
    _check(signed_public_key, vector("public_key_hex"))


def check_signed_secret(signed_secret: object, encrypted_secret: object) -> None:
    """Raises InvalidSignature."""
    assert isinstance(encrypted_secret, str)
    _check(signed_secret, b"nectar-channel-1" + vector("public_key_hex") + bytes.fromhex(encrypted_secret))


def _check(signature: object, signed: bytes) -> None:
    assert isinstance(signature, str)
    Ed25519PublicKey.from_public_bytes(OneKey().public_key).verify(bytes.fromhex(signature), signed)


@attrs.frozen
class Secret:
    """What both sides know. A frame is ciphertext, tag, nonce."""

    key: bytes

    def seal(self, data: bytes) -> bytes:
        nonce = os.urandom(12)
        return AESGCM(self.key).encrypt(nonce, data, b"") + nonce

    def open(self, frame: str | bytes) -> bytes:
        assert isinstance(frame, bytes), frame
        return AESGCM(self.key).decrypt(frame[-12:], frame[:-12], b"")


@attrs.frozen
class SealedClient:
    socket: WsClient
    channel_id: int
    secret: Secret

    async def send(self, data: bytes) -> None:
        await self.socket.send(self.secret.seal(data))

    async def receive(self) -> bytes:
        return self.secret.open(await self.socket.receive())


def sealed_register(
    web: WebNode, process: str = APP, key: str | None = None, *, sign_secret: bool = False
) -> str:
    """A register frame with the key of the goldens, or another."""
    asked = f'"encrypted":true,"public_key_hex":"{modulus() if key is None else key}"'
    if sign_secret:
        asked += ',"sign_secret":true'
    return web.register_frame(process).replace('"encrypted":false', asked)


async def answered(socket: WsClient, *, sign_secret: bool = False) -> SealedClient:
    """Take the answer to a register, and check who gave it."""
    text = await socket.receive()
    assert isinstance(text, str), text
    answer = parse(text)
    assert isinstance(answer, dict)
    wanted = ["signed_secret"] if sign_secret else []
    assert list(answer) == ["channel_id", "encrypted_secret", "signed_public_key", *wanted]
    check_signature(answer["signed_public_key"])
    if sign_secret:
        check_signed_secret(answer["signed_secret"], answer["encrypted_secret"])
    channel_id = answer["channel_id"]
    assert isinstance(channel_id, int)
    return SealedClient(socket, channel_id, Secret(unsealed(answer["encrypted_secret"])))


async def sealed(web: WebNode, path: str = "/") -> SealedClient:
    """A socket that registered as encrypted."""
    socket = await web.websocket(path)
    await socket.send(sealed_register(web))
    return await answered(socket)
