"""Encrypted channels: the exchange of a secret and the frames under it (PROTOCOL 6.15). No other file knows ciphers.

Secrets and nonces are given. The seed of RSA-OAEP is not: the library draws it, so `Exchange.encrypted_secret` differs
between two runs of one seed. Nothing else here does; it stays out of what two runs are compared by.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import attrs
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256

from kernel.capability import is_signed_form

SECRET_BYTES = 32
NONCE_BYTES = 12
OVERHEAD = 16 + NONCE_BYTES
"""By how much a sealed frame is longer than what it holds."""

SECRET_LABEL = b"nectar-channel-1"
"""In front of what `Exchange.signed_secret` signs. No modulus begins so: the first bit of one is 1."""

_EXPONENT = 65537
_LEAST_BYTES, _MOST_BYTES = 256, 512
_HEX = re.compile(r"[0-9A-Fa-f]*")
_OAEP = OAEP(mgf=MGF1(SHA256()), algorithm=SHA256(), label=None)


class BadKey(ValueError):
    """What a client gave as its public key is none that we seal a secret for; the text says why."""


class NotDecrypted(ValueError):
    """A frame that was not sealed under this secret, or not left as it was."""


@attrs.frozen
class ClientKey:
    """An RSA public key with e = 65537: its modulus, big-endian. `parse` checks it.

    `sign_secret`: its owner wants to know that the secret, too, is of our node.
    """

    modulus: bytes
    sign_secret: bool = False

    @classmethod
    def parse(cls, text: str, *, sign_secret: bool = False) -> ClientKey:
        """Raises `BadKey`."""
        if _HEX.fullmatch(text) is None or len(text) % 2:
            raise BadKey("public_key_hex is not the hexadecimal text of a modulus")
        size = len(text) // 2
        if not _LEAST_BYTES <= size <= _MOST_BYTES:
            raise BadKey(
                f"public_key_hex is of {size * 8} bits; a modulus of {_LEAST_BYTES * 8} to {_MOST_BYTES * 8} is wanted"
            )
        modulus = bytes.fromhex(text)
        if modulus[0] < 0x80 or modulus[-1] % 2 == 0:
            raise BadKey("public_key_hex is no RSA modulus: its first bit or its last bit is 0")
        if is_signed_form(modulus):
            # We sign it with the node's key: a login must not be enough to have a capability signed.
            raise BadKey("public_key_hex holds the text of a capability")
        return cls(modulus, sign_secret)

    def seal(self, secret: bytes) -> bytes:
        """For the holder of the private key alone."""
        key = RSAPublicNumbers(_EXPONENT, int.from_bytes(self.modulus, "big")).public_key()
        return key.encrypt(secret, _OAEP)


@attrs.frozen
class Exchange:
    """What a client is told: the sealed secret, and the node's signature over the raw bytes of the client's modulus.

    That signature is true of any secret: whoever stands between could keep it and seal another one. `signed_secret`,
    for who asks, is over `SECRET_LABEL`, the modulus and the sealed secret.
    """

    encrypted_secret: str
    signed_public_key: str
    signed_secret: str | None = attrs.field(default=None, metadata={"omit_default": True})

    @classmethod
    def of(cls, key: ClientKey, secret: bytes, sign: Callable[[bytes], bytes]) -> Exchange:
        """All as hexadecimal text."""
        sealed = key.seal(secret)
        signed = sign(SECRET_LABEL + key.modulus + sealed).hex() if key.sign_secret else None
        return cls(sealed.hex(), sign(key.modulus).hex(), signed)


class Cipher:
    """Seals and opens the frames of one channel: `ciphertext || tag || nonce`. `nonce` draws a fresh one."""

    __slots__ = ("_aead", "_nonce")

    def __init__(self, secret: bytes, nonce: Callable[[], bytes]) -> None:
        self._aead = AESGCM(secret)
        self._nonce = nonce

    def seal(self, data: bytes) -> bytes:
        nonce = self._nonce()
        return self._aead.encrypt(nonce, data, None) + nonce

    def open(self, frame: bytes) -> bytes:
        """Raises `NotDecrypted`."""
        if len(frame) < OVERHEAD:
            raise NotDecrypted(f"a frame of {len(frame)} bytes; tag and nonce alone have {OVERHEAD}")
        try:
            return self._aead.decrypt(frame[-NONCE_BYTES:], frame[:-NONCE_BYTES], None)
        except InvalidTag:
            raise NotDecrypted("the frame does not decrypt under the secret of its channel") from None
