"""What one client may take, in bytes and seconds."""

from __future__ import annotations

import attrs


@attrs.frozen(kw_only=True)
class Limits:
    """Of one connection. Seconds are trio's."""

    head_seconds: float = 10.0
    """From the first byte of a head to its last; also for the first byte of a new connection."""
    body_seconds: float = 30.0
    """For a body, beyond what `body_rate` gives."""
    body_rate: int = 16 * 1024
    """Bytes that earn another second."""
    exchange_seconds: float = 60.0
    """A last resort: the site's own limit lies below."""
    idle_seconds: float = 75.0
    """Between two requests; may take a few seconds more."""
    write_seconds: float = 30.0
    """To take another 256 KiB."""
    linger_seconds: float = 2.0
    """How long a client that is being refused may go on sending before it is cut."""

    handshake_seconds: float = 10.0
    message_bytes: int = 10 * 1024 * 1024
    """Of one WebSocket message, all its frames together."""
    queue_messages: int = 64
    """Received and not yet taken; then the socket is not read."""
    queue_bytes: int = 16 * 1024 * 1024
    close_seconds: float = 5.0
    """For the closing handshake of a WebSocket."""
