"""How commands find a running node: HOME/node.json says where it is, HOME/rpc.token lets them in (DESIGN section 4)."""

from __future__ import annotations

import os
from pathlib import Path

import attrs

from kernel.codec import Malformed, Shape
from runtime.files import replace_file

NODE_FILE = "node.json"
TOKEN_FILE = "rpc.token"  # noqa: S105 - a file name
PEER_FILE = "peer.toml"
"""Who the home's node is, for the peers files of others; it stays when the node ends."""


@attrs.frozen
class NodeFile:
    """Of a node that runs: `url` without a trailing slash."""

    pid: int
    url: str
    name: str


_NODE_FILE: Shape[NodeFile] = Shape(NodeFile)


def write_node_file(home: Path, node: NodeFile, token: str) -> None:
    """The token is readable for its owner only, from its first byte on. Raises OSError."""
    replace_file(home / TOKEN_FILE, token.encode(), mode=0o600)
    replace_file(home / NODE_FILE, _NODE_FILE.encode(node) + b"\n", mode=0o644)


def remove_node_file(home: Path) -> None:
    """Raises OSError, not for what is gone already."""
    for name in (NODE_FILE, TOKEN_FILE):
        (home / name).unlink(missing_ok=True)


def read_node_file(home: Path) -> NodeFile | None:
    """None when no node runs from that home: there is no file, none that can be read, or its process is gone."""
    try:
        node = _NODE_FILE.decode((home / NODE_FILE).read_bytes())
    except (OSError, Malformed):
        return None
    return node if _runs(node.pid) else None


def read_token(home: Path) -> str | None:
    """None when there is none that we may read."""
    try:
        return (home / TOKEN_FILE).read_text().strip()
    except (OSError, UnicodeDecodeError):
        return None


def _runs(pid: int) -> bool:
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
