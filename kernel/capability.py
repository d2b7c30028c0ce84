"""Capabilities: what a process may do, as (issuer, params) pairs (PROTOCOL 2.5 and 4.1)."""

from __future__ import annotations

import attrs
import msgpack

from kernel.address import Address, ProcessId
from kernel.jsontext import JsonValue, canonical, dump, parse

MESSAGING = '"messaging"'
NETWORK = '"network"'
ROOT = '{"root":true}'
KERNEL = ProcessId("kernel", "sys", "nectar")


def _issuer(value: Address | str) -> Address:
    if isinstance(value, Address):
        return value
    if isinstance(value, str):
        return Address.from_str(value)
    raise TypeError(f"a capability's issuer is an Address or its text, got {value!r}")


def _canonical_params(text: str) -> str:
    if not isinstance(text, str):
        raise TypeError(
            f"a capability's params are JSON text, got {type(text).__name__}; write json.dumps(value)"
        )
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"capability params must be Unicode text: {error}") from None
    return canonical(text)


@attrs.frozen(order=True, cache_hash=True)
class Capability:
    """`params` is a string that holds JSON and is kept in canonical form, so equal means equal in meaning (F-02).

    `issuer` takes an Address or its text.
    """

    issuer: Address = attrs.field(converter=_issuer)
    params: str = attrs.field(converter=_canonical_params)

    @classmethod
    def messaging(cls, issuer: Address) -> Capability:
        """The right to send to `issuer`."""
        return Capability(issuer, MESSAGING)

    @classmethod
    def network(cls, node: str) -> Capability:
        """The right to talk to other nodes and to be talked to by them."""
        return Capability(Address(node, KERNEL), NETWORK)

    def params_json(self) -> JsonValue:
        """Raises `kernel.jsontext.NotJson` when params hold no JSON."""
        return parse(self.params)

    def set_params_json(self, value: JsonValue) -> Capability:
        """A new capability of the same issuer."""
        return Capability(self.issuer, dump(value).decode())

    def signed_bytes(self) -> bytes:
        """What a signature covers: the msgpack array `[issuer, params]`."""
        packed: bytes = msgpack.packb([str(self.issuer), self.params])
        return packed

    def __str__(self) -> str:
        return f"{self.issuer}^{self.params}"


@attrs.frozen(order=True, cache_hash=True)
class SignedCapability(Capability):
    """A capability with its issuing node's Ed25519 signature over `signed_bytes()`."""

    signature: bytes = b""

    def unsigned(self) -> Capability:
        return Capability(self.issuer, self.params)


def is_signed_form(data: bytes) -> bool:
    """Whether these may be the `signed_bytes` of a capability: a node never signs such bytes for somebody else."""
    try:
        value = msgpack.unpackb(data)
    except (ValueError, TypeError):
        return False
    return isinstance(value, list) and len(value) == 2 and all(isinstance(part, str) for part in value)
