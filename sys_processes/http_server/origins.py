"""Hosts and origins: who is meant by a Host header, and which page an Origin header speaks for (PROTOCOL 6.8, F-60)."""

from __future__ import annotations

import ipaddress
import re

import attrs

_AUTHORITY = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?")
_ORIGIN = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<authority>[^/?#@]+)/?")
_DEFAULT_PORTS = {"http": 80, "https": 443}


def is_loopback(address: str) -> bool:
    """Whether an IP address (IPv6 bracketed or not, v4-mapped too) is this machine's own. Names are not."""
    try:
        found = ipaddress.ip_address(address.strip("[]"))
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        return found.ipv4_mapped.is_loopback
    return found.is_loopback


@attrs.frozen
class Authority:
    """A Host header's value, the name in lower case."""

    name: str
    port: int | None = None

    @classmethod
    def parse(cls, text: str) -> Authority | None:
        """None when the text is no host with an optional port."""
        found = _AUTHORITY.fullmatch(text)
        if found is None:
            return None
        port = found["port"]
        if port is not None and int(port) > 65_535:
            return None
        return cls(found["host"].lower(), None if port is None else int(port))

    def is_local(self) -> bool:
        """Whether the name can only mean this machine, whatever a name server says (DNS rebinding)."""
        name = self.name.removesuffix(".")
        return name == "localhost" or name.endswith(".localhost") or is_loopback(name)

    def __str__(self) -> str:
        return self.name if self.port is None else f"{self.name}:{self.port}"


@attrs.frozen
class Origin:
    """A page's scheme, host and port."""

    scheme: str
    name: str
    port: int | None

    @classmethod
    def parse(cls, text: str) -> Origin | None:
        """None for `null` and whatever else names no host."""
        found = _ORIGIN.fullmatch(text)
        if found is None:
            return None
        authority = Authority.parse(found["authority"])
        if authority is None:
            return None
        scheme = found["scheme"].lower()
        port = _DEFAULT_PORTS.get(scheme) if authority.port is None else authority.port
        return cls(scheme, authority.name, port)

    def is_same_site(self, host: Authority) -> bool:
        """Same host and port. A Host without a port means the default port of the page's scheme; a page that came over
        neither http nor https is not ours.
        """
        default = _DEFAULT_PORTS.get(self.scheme)
        if default is None:
            return False
        return self.name == host.name and self.port == (default if host.port is None else host.port)
