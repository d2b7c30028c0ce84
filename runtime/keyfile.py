"""The node's keys, sealed by its password (PROTOCOL 6.8, 9.1).

The file is JSON: name and routers in the open, the cost of the key derivation beside its salt, and three
secrets, each under AES-256-GCM with its 12-byte nonce in front of the ciphertext, in base64. The network key
authenticates only itself, the other two everything that stands in the open too: so a wrong password (nothing
opens) and an edited file (only the first opens) differ.
"""

from __future__ import annotations

import base64
import binascii
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import attrs
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from kernel import jsontext
from kernel.address import OUR, is_safe
from kernel.codec import Malformed, Shape
from kernel.kernel import BadNodeName
from kernel.ports import Chance
from runtime.files import replace_file
from sys_processes.net.protocol import LONGEST_NAME

SECRET_BYTES = 32
_NONCE_BYTES = 12
_SALT_BYTES = 16
_FORMAT = 1
_BIGGEST_MEMORY_KIB = 4 * 1024 * 1024
_MOST_ITERATIONS = 64
_MOST_LANES = 64


class BadPassword(ValueError):
    """No keyfile may be sealed with that password."""


class WrongPassword(Exception):
    """The keyfile is sound as far as one can see, but this password does not open it."""


class KeyfileBroken(Exception):
    """The keyfile cannot be used whatever the password; the text says what is wrong with it."""


def check_node_name(name: str) -> None:
    """Raises `BadNodeName` for names that are no safe identifier or too long for other nodes, and for `our` (C-011)."""
    if len(name) > LONGEST_NAME:
        raise BadNodeName(
            f"a node cannot be called {name[:40]!r}...: its name has {len(name)} characters, {LONGEST_NAME} at most"
        )
    if name == OUR:
        raise BadNodeName(
            f"a node cannot be called {OUR!r}: in addresses that word stands for whichever node one is on"
        )
    if not is_safe(name):
        raise BadNodeName(
            f"a node cannot be called {name!r}: use letters, digits, '.', '-' and '_', like 'alice.dev'"
        )


@attrs.frozen
class Cost:
    """What one guess at the password costs (Argon2id); the default takes some 0.1 s and 64 MiB."""

    iterations: int = 3
    lanes: int = 4
    memory_kib: int = 64 * 1024


@attrs.frozen
class Identity:
    """An unlocked node: `kernel.ports.Keys` for its own name, and its other secrets.

    `jwt_secret` signs login tokens, `file_key` is for files at rest; both have 32 bytes.
    """

    name: str
    routers: tuple[str, ...]
    jwt_secret: bytes = attrs.field(repr=False)
    file_key: bytes = attrs.field(repr=False)
    network_key: Ed25519PrivateKey = attrs.field(repr=False, eq=lambda key: key.private_bytes_raw())

    @classmethod
    def fresh(cls, name: str, chance: Chance, routers: Sequence[str] = ()) -> Identity:
        """New keys. Raises `BadNodeName`."""
        for node in (name, *routers):
            check_node_name(node)
        return cls(
            name,
            tuple(routers),
            jwt_secret=chance.secret("jwt secret", SECRET_BYTES),
            file_key=chance.secret("file key", SECRET_BYTES),
            network_key=Ed25519PrivateKey.from_private_bytes(chance.secret("network key", SECRET_BYTES)),
        )

    @property
    def public_key(self) -> bytes:
        return self.network_key.public_key().public_bytes_raw()

    @property
    def public_key_hex(self) -> str:
        """`networking_key` as PROTOCOL 9.1 writes it: `0x` and 64 hex digits."""
        return f"0x{self.public_key.hex()}"

    def sign(self, data: bytes) -> bytes:
        return self.network_key.sign(data)

    def verify(self, node: str, data: bytes, signature: bytes) -> bool:
        if node != self.name:
            return False
        try:
            self.network_key.public_key().verify(signature, data)
        except InvalidSignature:
            return False
        return True


@attrs.frozen
class _Derivation:
    name: str
    salt: str
    iterations: int
    lanes: int
    memory_kib: int


@attrs.frozen
class _Content:
    format: int
    username: str
    routers: tuple[str, ...]
    kdf: _Derivation
    network_key: str
    jwt_secret: str
    file_key: str


_CONTENT: Shape[_Content] = Shape(_Content)


@attrs.frozen
class Keyfile:
    """A keyfile whose form and open parts were checked; `unlock` checks the rest."""

    _content: _Content

    @property
    def name(self) -> str:
        return self._content.username

    @classmethod
    def from_bytes(cls, data: bytes) -> Keyfile:
        """Raises `KeyfileBroken`."""
        try:
            content = _CONTENT.decode(data)
        except Malformed as error:
            raise KeyfileBroken(f"the keyfile is cut short or was edited: {error}") from None
        if content.format != _FORMAT:
            raise KeyfileBroken(f"the keyfile has format {content.format}, this program knows {_FORMAT}")
        try:
            for node in (content.username, *content.routers):
                check_node_name(node)
        except BadNodeName as error:
            raise KeyfileBroken(f"the keyfile was edited: {error}") from None
        _check_cost(content.kdf)
        return cls(content)

    @classmethod
    def read(cls, path: Path) -> Keyfile:
        """Raises `KeyfileBroken` naming the file, OSError."""
        data = path.read_bytes()
        try:
            return cls.from_bytes(data)
        except KeyfileBroken as error:
            raise KeyfileBroken(f"{path}: {error}") from None

    def write(self, path: Path) -> None:
        """Readable for its owner only, and never half there. Raises OSError."""
        replace_file(path, self.to_bytes())

    def to_bytes(self) -> bytes:
        return _CONTENT.encode(self._content)

    def unlock(self, password: str) -> Identity:
        """Blocks for as long as the derivation takes: run it in a worker. Raises `WrongPassword`,
        `KeyfileBroken` (C-113).
        """
        content = self._content
        box = AESGCM(_derive(password, content.kdf))
        opened = _opened(content)
        try:
            network_key = _open(box, "network_key", content.network_key, b"")
        except InvalidTag:
            raise WrongPassword(f"this password does not open the keyfile of {self.name}") from None
        try:
            jwt_secret = _open(box, "jwt_secret", content.jwt_secret, opened)
            file_key = _open(box, "file_key", content.file_key, opened)
        except InvalidTag:
            raise KeyfileBroken(
                f"the keyfile of {self.name} was edited: its parts do not belong together"
            ) from None
        for what, secret in (
            ("network_key", network_key),
            ("jwt_secret", jwt_secret),
            ("file_key", file_key),
        ):
            if len(secret) != SECRET_BYTES:
                raise KeyfileBroken(
                    f"the {what} of {self.name} has {len(secret)} bytes, expected {SECRET_BYTES}"
                )
        key = Ed25519PrivateKey.from_private_bytes(network_key)
        return Identity(content.username, content.routers, jwt_secret, file_key, key)


def seal(identity: Identity, password: str, chance: Chance, cost: Cost | None = None) -> Keyfile:
    """The identity under this password. Blocks as `Keyfile.unlock` does. Raises `BadPassword` for an empty
    one.
    """
    if not password:
        raise BadPassword("a password cannot be empty")
    cost = cost or Cost()
    salt = base64.b64encode(chance.secret("keyfile salt", _SALT_BYTES)).decode()
    kdf = _Derivation("argon2id", salt, cost.iterations, cost.lanes, cost.memory_kib)
    box = AESGCM(_derive(password, kdf))
    bare = _Content(_FORMAT, identity.name, identity.routers, kdf, "", "", "")
    opened = _opened(bare)

    def sealed(field: str, secret: bytes, beside: bytes) -> str:
        nonce = chance.secret("keyfile nonce", _NONCE_BYTES)
        return base64.b64encode(nonce + box.encrypt(nonce, secret, field.encode() + beside)).decode()

    return Keyfile(
        attrs.evolve(
            bare,
            network_key=sealed("network_key", identity.network_key.private_bytes_raw(), b""),
            jwt_secret=sealed("jwt_secret", identity.jwt_secret, opened),
            file_key=sealed("file_key", identity.file_key, opened),
        )
    )


def create(
    name: str, password: str, chance: Chance, *, routers: Sequence[str] = (), cost: Cost | None = None
) -> Keyfile:
    """A new node's keyfile. Blocks as `Keyfile.unlock` does. Raises `BadNodeName`, `BadPassword`."""
    return seal(Identity.fresh(name, chance, routers), password, chance, cost)


def _opened(content: _Content) -> bytes:
    """What stands in the open, as the bytes that the secrets vouch for."""
    kdf = content.kdf
    return jsontext.dump(
        [
            content.format,
            content.username,
            list(content.routers),
            [kdf.name, kdf.salt, kdf.iterations, kdf.lanes, kdf.memory_kib],
        ]
    )


def _open(box: AESGCM, field: str, text: str, beside: bytes) -> bytes:
    raw = _from_base64(field, text)
    if len(raw) < _NONCE_BYTES:
        raise KeyfileBroken(f"the keyfile is cut short: {field} has {len(raw)} bytes")
    return box.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], field.encode() + beside)


def _from_base64(field: str, text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise KeyfileBroken(f"the keyfile was edited: {field} is no base64 ({error})") from None


def _check_cost(kdf: _Derivation) -> None:
    if kdf.name != "argon2id":
        raise KeyfileBroken(
            f"the keyfile wants the key derivation {kdf.name!r}, this program knows 'argon2id'"
        )
    # A file from somewhere must not make us compute for ever.
    fair = (
        1 <= kdf.iterations <= _MOST_ITERATIONS
        and 1 <= kdf.lanes <= _MOST_LANES
        and 8 * kdf.lanes <= kdf.memory_kib <= _BIGGEST_MEMORY_KIB
    )
    if not fair:
        found = f"{kdf.iterations} iterations, {kdf.lanes} lanes, {kdf.memory_kib} KiB"
        raise KeyfileBroken(f"the keyfile was edited: its key derivation takes {found}")
    if len(_from_base64("salt", kdf.salt)) < _SALT_BYTES:
        raise KeyfileBroken(f"the keyfile was edited: its salt has fewer than {_SALT_BYTES} bytes")


def _derive(password: str, kdf: _Derivation) -> bytes:
    derivation = Argon2id(
        salt=_from_base64("salt", kdf.salt),
        length=SECRET_BYTES,
        iterations=kdf.iterations,
        lanes=kdf.lanes,
        memory_cost=kdf.memory_kib,
    )
    # One password typed on two keyboards may differ in how it composes its accents.
    return derivation.derive(unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass"))
