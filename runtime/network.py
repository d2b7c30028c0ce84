"""What a real node knows of the others: its peers file, and the folder that the nodes of one machine share."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

from kernel.kernel import BadNodeName
from runtime.keyfile import Identity
from runtime.known_nodes import KnownNodes
from runtime.links.direct import DirectLinks
from runtime.local_directory import LocalDirectory, default_folder
from runtime.node import Network
from runtime.peers_file import PeersFile
from sys_processes.devices import Registry
from sys_processes.net.identity import MOST_ROUTERS, BadIdentity, make_record
from sys_processes.net.name_updates import ToldNames
from sys_processes.net.protocol import IdentityRecord


class BadRouter(Exception):
    """A node that this one cannot have as its router; the text says why. `is_unknown`: once it is known, it can."""

    def __init__(self, router: str, problem: str, *, is_unknown: bool = False) -> None:
        super().__init__(problem)
        self.router = router
        self.is_unknown = is_unknown


def own_record(identity: Identity, url: str, routers: Sequence[str] = ()) -> IdentityRecord:
    """Of a node that listens there; with routers, it is only reached through them.

    The serial is in milliseconds: two boots in one second must be told apart, for the news ends a wait.
    Raises `BadNodeName`, `BadRouter`.
    """
    if identity.name in routers:
        raise BadRouter(identity.name, f"{identity.name} cannot be its own router")
    if len(routers) > MOST_ROUTERS:
        raise BadRouter(routers[-1], f"{len(routers)} routers are too many: {MOST_ROUTERS} at most")
    try:
        return make_record(
            identity.name,
            identity.public_key,
            identity.sign,
            address=None if routers else urlsplit(url).netloc,
            routers=routers,
            serial=int(time.time() * 1000),
        )
    except BadIdentity as error:
        raise BadNodeName(f"other nodes could not know this one: {error}") from None


def check_routers(own: IdentityRecord, registry: Registry) -> None:
    """That the node can begin with each of its routers. Raises `BadRouter`."""
    for name in own.routers:
        record = registry.find(name)
        if record is None:
            raise BadRouter(
                name,
                f"no node {name!r} is known, so it cannot be a router: what `nectar id` prints there belongs into a "
                "peers file here",
                is_unknown=True,
            )
        if record.address is None:
            raise BadRouter(name, f"{name} cannot be a router: it has no address, only routers of its own")


@asynccontextmanager
async def open_network(
    own: IdentityRecord,
    links: DirectLinks,
    peers: Path | None,
    report: Callable[[str], None],
    *,
    passages: int = 0,
) -> AsyncIterator[Network]:
    """While it is open, the other nodes of this machine find this one. What a peers file says comes first, then
    what an indexer tells.

    Raises `BadRouter`, `PeersFileError`.
    """
    named: Sequence[Registry] = () if peers is None else (PeersFile(peers, report),)
    local = LocalDirectory(default_folder(os.environ), report)
    told = ToldNames()
    await local.publish(own)
    try:
        known = KnownNodes([*named, told, local])
        check_routers(own, known)
        yield Network(links, known, own, links, told, passages)
    finally:
        local.close()
