"""What http_server is given: its listener, secrets and settings."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import attrs
import trio

from kernel.ports import Keys
from sys_processes.devices import LinkDoor, Listener
from sys_processes.http_server.limits import Limits
from sys_processes.http_server.settings import HttpSettings
from sys_processes.http_server.tokens import BearerToken, LoginTokens


@attrs.frozen
class Door:
    """`check_password` may take long and must not block; `keyfile` is the encrypted one, as login answers it.
    `client` is the browser client, as `/client.js` serves it. Without `links` nobody reaches this node by a link.

    Closing the listener closes the door: every socket ends with 1001, calls are answered, and then `drained` is set.
    """

    listener: Listener
    settings: HttpSettings
    tokens: LoginTokens
    rpc_token: BearerToken | None
    check_password: Callable[[str], Awaitable[bool]]
    keyfile: bytes
    keys: Keys
    client: bytes
    links: LinkDoor | None = None
    limits: Limits = attrs.field()
    drained: trio.Event = attrs.field(factory=trio.Event)

    @limits.default
    def _limits(self) -> Limits:
        settings = self.settings
        return Limits(
            message_bytes=settings.max_body,
            exchange_seconds=max(60.0, settings.timeout + 10.0),
        )
