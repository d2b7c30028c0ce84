"""What a node serves that is no Python: files of userland, which runtime reaches by path and never imports."""

from __future__ import annotations

from pathlib import Path

CLIENT = Path(__file__).resolve().parent.parent / "userland" / "client" / "index.js"


def browser_client() -> bytes:
    """The ES module of `/client.js`. Raises OSError."""
    return CLIENT.read_bytes()
