"""The raw values of the syscall seam, as the kernel carries them.

`Request` and `Response` of `userland.process_lib` are builders; those here are what the raw calls
`send_request`, `send_requests`, `send_response` and `send_and_await_response` take.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.address import Address, PackageId, ProcessId
from kernel.capability import Capability, SignedCapability
from kernel.errors import SpawnError, SpawnErrorKind
from kernel.message import Message, OnExit, Payload, Request, Response, SendError, SendErrorKind
from kernel.syscalls import Outgoing
from userland.process_lib._aliases import add_aliases

if TYPE_CHECKING:
    LazyLoadBlob = Payload
else:
    add_aliases(globals())

__all__ = [
    "Address",
    "Capability",
    "LazyLoadBlob",
    "Message",
    "OnExit",
    "Outgoing",
    "PackageId",
    "Payload",
    "ProcessId",
    "Request",
    "Response",
    "SendError",
    "SendErrorKind",
    "SignedCapability",
    "SpawnError",
    "SpawnErrorKind",
]
