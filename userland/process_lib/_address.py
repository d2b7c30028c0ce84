"""`address.send_request()` (PROTOCOL 5.3): importing process_lib gives every `Address` this method.

The kernel's class knows no builders, so it is set here, and only here. To a type checker it is unknown: typed code
writes `Request.to(address)`, which is the same.
"""

from __future__ import annotations

from kernel.address import Address
from userland.process_lib._builders import Request


def send_request(self: Address) -> Request:
    """A new Request builder with this address as its target."""
    return Request.to(self)


Address.send_request = send_request  # type: ignore[attr-defined]
