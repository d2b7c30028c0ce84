"""What a node's owner can set about http_server (DESIGN section 4)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

import attrs

from sys_processes.http_server.origins import Origin

T = TypeVar("T")
N = TypeVar("N", int, float)

MEBIBYTE = 1024 * 1024


class BadSetting(ValueError):
    """A setting of http_server has an impossible value; the text names the key and what it takes."""


def _key(name: str) -> dict[str, str]:
    return {"key": name}


def _key_of(attribute: attrs.Attribute[T]) -> str:
    key: str = attribute.metadata["key"]
    return key


def _positive(_settings: object, attribute: attrs.Attribute[N], value: N) -> None:
    if value <= 0:
        raise BadSetting(f"{_key_of(attribute)} is {value!r}; it takes a number above zero")


def _texts(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(values)


def _origins(_settings: object, attribute: attrs.Attribute[tuple[str, ...]], value: tuple[str, ...]) -> None:
    for text in value:
        if Origin.parse(text) is None:
            raise BadSetting(
                f"{_key_of(attribute)} contains {text!r}; it takes origins such as 'http://localhost:5173'"
            )


@attrs.frozen
class HttpSettings:
    """Each field's metadata holds the `key` under which it stands in config.toml and `--set`."""

    timeout: float = attrs.field(default=15.0, validator=_positive, metadata=_key("http.timeout"))
    """Seconds a process has to answer an HTTP call."""
    max_body: int = attrs.field(default=10 * MEBIBYTE, validator=_positive, metadata=_key("http.max_body"))
    """Bytes of an HTTP body and of a frame."""
    origins: tuple[str, ...] = attrs.field(
        default=(), converter=_texts, validator=_origins, metadata=_key("http.origins")
    )
    """Foreign origins whose pages may act with a user's cookie."""
    register_timeout: float = attrs.field(
        default=10.0, validator=_positive, metadata=_key("ws.register_timeout")
    )
    """Seconds a socket has to send its register frame."""
    max_unregistered: int = attrs.field(
        default=128, validator=_positive, metadata=_key("ws.max_unregistered")
    )
    max_channels: int = attrs.field(default=20_000, validator=_positive, metadata=_key("ws.max_channels"))
    encrypted_plain_ok: bool = attrs.field(default=False, metadata=_key("ws.encrypted_plain_ok"))
    """Serve plainly those who ask for `encrypted: true` without a key, instead of refusing them."""
    rpc_open: bool = attrs.field(default=False, metadata=_key("rpc.open"))
    """Let callers on this machine use the RPC route without a token."""

    def trusted_origins(self) -> frozenset[Origin]:
        """`origins`, parsed."""
        return frozenset(origin for text in self.origins if (origin := Origin.parse(text)) is not None)
