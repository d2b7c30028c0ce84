"""Which capabilities may leave a process, and with whose signature (PROTOCOL 2.5, 4.3; F-31 to F-33)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

import attrs

from kernel.address import OUR, Address
from kernel.capability import Capability, SignedCapability
from kernel.message import Request, Response
from kernel.ports import Keys
from kernel.process import Process, TaskState

AnyMessage = TypeVar("AnyMessage", Request, Response)


class Signing:
    """Signs what our node issues, on its way out only; checks what comes in."""

    def __init__(self, node: str, keys: Keys) -> None:
        self._node = node
        self._keys = keys

    def real(self, capability: Capability) -> Capability:
        """With `our` as issuing node replaced by our name (PROTOCOL 1.2)."""
        issuer = capability.issuer
        if issuer.node != OUR:
            return capability
        return attrs.evolve(capability, issuer=Address(self._node, issuer.process))

    def is_genuine(self, capability: Capability) -> bool:
        """Whether it carries a valid signature of its issuer's node."""
        return isinstance(capability, SignedCapability) and self._keys.verify(
            capability.issuer.node, capability.signed_bytes(), capability.signature
        )

    def signed(self, holder: Process, capability: Capability) -> SignedCapability | None:
        """With its issuing node's signature; None for a foreign one whose signature we never had."""
        signature: bytes | None
        if capability.issuer.node == self._node:
            signature = self._keys.sign(capability.signed_bytes())
        else:
            signature = holder.holdings.signature(capability)
        if signature is None:
            return None
        return SignedCapability(capability.issuer, capability.params, signature)

    def attach(self, sender: Process, state: TaskState, message: AnyMessage) -> AnyMessage:
        """The message with those of the attached capabilities that the sender may pass on, signed; they ride once."""
        asked = (*state.attached, *message.capabilities)
        state.attached = ()
        return attrs.evolve(message, capabilities=self.attachable(sender, asked))

    def attachable(self, sender: Process, asked: Iterable[Capability]) -> tuple[SignedCapability, ...]:
        """Those that the sender holds or issues; one with a wrong signature is left out."""
        signed = (self._attachable(sender, self.real(capability)) for capability in asked)
        return tuple(capability for capability in signed if capability is not None)

    def _attachable(self, sender: Process, capability: Capability) -> SignedCapability | None:
        if isinstance(capability, SignedCapability) and not self.is_genuine(capability):
            return None
        if not (sender.holdings.holds(capability) or capability.issuer == sender.address):
            return None
        return self.signed(sender, capability)

    def verified(self, attached: Iterable[Capability]) -> tuple[SignedCapability, ...]:
        """Of what came from another node, that which is genuine."""
        return tuple(c for c in attached if isinstance(c, SignedCapability) and self.is_genuine(c))
