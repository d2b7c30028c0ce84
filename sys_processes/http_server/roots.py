"""What http_server tells homepage, and nobody else, about who serves a page."""

from __future__ import annotations

from kernel.message import Message
from sys_processes.http_server.bindings import HOMEPAGE, PathTable
from sys_processes.http_server.protocol import BOUND_ROOTS, ROOTS, BoundRoots


def asked_roots(message: Message, paths: PathTable) -> bytes | None:
    """The answer's ipc; None for any other Request."""
    if message.ipc != BOUND_ROOTS or not message.is_process(HOMEPAGE) or not message.is_local():
        return None
    return ROOTS.encode(BoundRoots(tuple(paths.roots())))
