"""What a node signs with its key: its own record, and that a link is its own (DESIGN section 6, PROTOCOL 9.1)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import attrs
import msgpack
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from kernel.address import OUR, is_safe
from sys_processes.net.protocol import LONGEST_NAME, IdentityRecord

KEY_BYTES = 32
MOST_ROUTERS = 16
_RECORD = "nectar-identity-1"
_LINK = "nectar-link-1"
_ADDRESS = re.compile(
    r"(?P<host>\[[0-9A-Fa-f:.]+(?:%[A-Za-z0-9._-]{1,32})?\]|[A-Za-z0-9._-]{1,253}):(?P<port>[0-9]{1,5})"
)


class BadIdentity(ValueError):
    """A record that no node can have, or that its node did not sign; the text names the field and what was found."""


Sign = Callable[[bytes], bytes]


def is_signed(key: bytes, data: bytes, signature: bytes) -> bool:
    """Whether that Ed25519 key made that signature of the data. False also for bytes that are no key."""
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, data)
    except (InvalidSignature, ValueError):
        return False
    return True


def check_record(record: IdentityRecord) -> None:
    """Everything but the signature. Raises `BadIdentity`."""
    check_peer_name(record.name)
    if len(record.public_key) != KEY_BYTES:
        raise BadIdentity(f"key has {len(record.public_key)} bytes, an Ed25519 public key has {KEY_BYTES}")
    if record.address is None and not record.routers:
        raise BadIdentity(f"{record.name!r} has no way to it: give an address 'host:port', or routers")
    if record.address is not None:
        check_address(record.address)
    if len(record.routers) > MOST_ROUTERS:
        raise BadIdentity(f"routers has {len(record.routers)} names, {MOST_ROUTERS} at most")
    for router in record.routers:
        check_peer_name(router)
        if router == record.name:
            raise BadIdentity(f"{router!r} cannot be its own router")
    if not 0 <= record.serial < 2**64:
        raise BadIdentity(f"serial is {record.serial}, a number from 0 to 2**64 - 1 was expected")


def check_peer_name(name: str) -> None:
    """Raises `BadIdentity`, for `our` too (PROTOCOL 1.2)."""
    if len(name) > LONGEST_NAME:
        raise BadIdentity(
            f"{name[:40]!r}... is no name of a node: it has {len(name)} characters, {LONGEST_NAME} at most"
        )
    if name == OUR or not is_safe(name):
        raise BadIdentity(
            f"{name[:80]!r} is no name of a node: letters, digits, '.', '-' and '_', and not {OUR!r}"
        )


def check_address(text: str) -> None:
    """Raises `BadIdentity` for what is no `host:port`."""
    found = _ADDRESS.fullmatch(text)
    if found is None or not 0 < int(found["port"]) < 2**16:
        raise BadIdentity(f"address is {text[:80]!r}, expected 'host:port' such as '192.0.2.7:8080'")


def record_bytes(record: IdentityRecord) -> bytes:
    """What the signature of a record covers: a msgpack array, so that no two records have the same bytes."""
    fields = [
        _RECORD, record.name, record.public_key, record.address, list(record.routers), record.serial
    ]  # fmt: skip
    packed: bytes = msgpack.packb(fields)
    return packed


def make_record(
    name: str,
    public_key: bytes,
    sign: Sign,
    *,
    address: str | None = None,
    routers: Sequence[str] = (),
    serial: int = 0,
) -> IdentityRecord:
    """Checked and signed. Raises `BadIdentity`."""
    record = IdentityRecord(name, public_key, address, tuple(routers), serial)
    check_record(record)
    return attrs.evolve(record, signature=sign(record_bytes(record)))


def verify_record(record: IdentityRecord) -> None:
    """Raises `BadIdentity` unless the record is sound and signed by the key it names."""
    check_record(record)
    if not is_signed(record.public_key, record_bytes(record), record.signature):
        raise BadIdentity(f"the record of {record.name!r} is not signed by its own key {record.key_hex}")


@attrs.frozen
class LinkStatement:
    """What the dialling side of a link signs. The accepting side's nonce makes it good for this one link."""

    client: str
    client_key: bytes
    server: str
    server_key: bytes
    nonce: bytes

    def signed_bytes(self) -> bytes:
        packed: bytes = msgpack.packb(
            [_LINK, self.client, self.client_key, self.server, self.server_key, self.nonce]
        )
        return packed
