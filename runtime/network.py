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
from sys_processes.net.identity import BadIdentity, make_record
from sys_processes.net.name_updates import ToldNames
from sys_processes.net.protocol import IdentityRecord


def own_record(identity: Identity, url: str) -> IdentityRecord:
    """Of a node that listens there. Raises `BadNodeName`.

    The serial is in milliseconds: two boots in one second must be told apart, for the news ends a wait.
    """
    try:
        return make_record(
            identity.name,
            identity.public_key,
            identity.sign,
            address=urlsplit(url).netloc,
            serial=int(time.time() * 1000),
        )
    except BadIdentity as error:
        raise BadNodeName(f"other nodes could not know this one: {error}") from None


@asynccontextmanager
async def open_network(
    own: IdentityRecord, links: DirectLinks, peers: Path | None, report: Callable[[str], None]
) -> AsyncIterator[Network]:
    """While it is open, the other nodes of this machine find this one. What a peers file says comes first, then
    what an indexer tells.

    Raises `PeersFileError`, OSError.
    """
    named: Sequence[Registry] = () if peers is None else (PeersFile(peers, report),)
    local = LocalDirectory(default_folder(os.environ), report)
    told = ToldNames()
    await local.publish(own)
    try:
        yield Network(links, KnownNodes([*named, told, local]), own, links, told)
    finally:
        local.close()
