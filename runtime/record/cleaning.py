"""What must not be written down: login tokens, credentials of requests, the node's own secrets.

Each secret becomes as many `x`, so that lengths and places stay. It is taken out of what comes in and of what is sent
alike: a process that sends one on is compared as if it had got the `x`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_TOKEN = re.compile(rb"eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_CREDENTIALS = re.compile(rb'("(?:proxy-)?authorization":")([a-z0-9-]+ +)?((?:[^"\\]|\\.)+)"', re.IGNORECASE)
_SHORTEST = 8
"""Of what is remembered: a shorter one may be anywhere by chance."""


class Cleaner:
    """Remembers the credentials that it has seen, as many as `most`. `secrets` are those of the node."""

    def __init__(self, secrets: Iterable[bytes] = (), most: int = 1000) -> None:
        self._secrets = tuple(secret for secret in secrets if len(secret) >= _SHORTEST)
        self._seen: dict[bytes, None] = {}
        self._most = most

    def clean_request(self, ipc: bytes) -> bytes:
        """Of http_server to a process: the credentials of its headers go, too, and are known from now on."""
        if _CREDENTIALS.search(ipc) is None:
            return self.clean(ipc)
        for found in _CREDENTIALS.finditer(ipc):
            self._learn(found[3])
        return self.clean(
            _CREDENTIALS.sub(lambda found: found[1] + (found[2] or b"") + _crossed(found[3]) + b'"', ipc)
        )

    def _learn(self, credentials: bytes) -> None:
        if len(credentials) >= _SHORTEST:
            self._seen.pop(credentials, None)
            self._seen[credentials] = None
        while len(self._seen) > self._most:
            del self._seen[next(iter(self._seen))]

    def clean(self, data: bytes) -> bytes:
        data = _TOKEN.sub(lambda found: _crossed(found[0]), data)
        for secret in (*self._secrets, *self._seen):
            if secret in data:
                data = data.replace(secret, _crossed(secret))
        return data


def _crossed(secret: bytes) -> bytes:
    return b"x" * len(secret)
