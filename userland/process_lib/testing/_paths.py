"""Which binding a path leads to, as a test's author meets it (PROTOCOL 6.4, 6.5).

The rules of http_server in few words, for its own files are closed to userland; tests/contract/test_web_paths.py holds
the two against each other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import attrs

from kernel.address import ProcessId

_SEPARATORS = re.compile(r"([/.])")
_KINDS = {":": "([^/]+)", "*": "(.+)"}


def stored(process: ProcessId, path: str) -> str:
    """Below the process id, without one trailing slash."""
    return f"/{process}/{path.removeprefix('/')}".removesuffix("/")


def shape(path: str) -> str:
    """Patterns that differ in their names only have the same."""
    return "".join(_kind(part) or part for part in _SEPARATORS.split(path))


def _kind(part: str) -> str:
    return part[:1] if part[:1] in _KINDS else ""


@attrs.frozen
class Found:
    path: str
    """As it was bound, a pattern or not."""
    url_params: dict[str, str]


@attrs.frozen
class _Match:
    literals: int
    names: int
    rests: int
    found: Found

    def rank(self) -> tuple[int, int, int]:
        return self.literals, self.names, self.rests


def _match(pattern: str, path: str) -> _Match | None:
    text, names, counts = "", [], {":": 0, "*": 0, "": 0}
    for part in _SEPARATORS.split(pattern.removeprefix("/")):
        kind = _kind(part)
        if kind:
            names.append(part[1:])
        text += _KINDS[kind] if kind else re.escape(part)
        counts[kind] += part not in {"/", "."}
    found = re.fullmatch(text, path.removeprefix("/"), re.DOTALL)
    if found is None:
        return None
    captured = {name: value for name, value in zip(names, found.groups(), strict=True) if name}
    return _Match(counts[""], counts[":"], counts["*"], Found(pattern, captured))


def find(bound: Iterable[str], path: str) -> Found | None:
    """The best of the bound paths for a path that is stored like them."""
    matches = [match for match in (_match(pattern, path) for pattern in bound) if match is not None]
    return max(matches, key=_Match.rank).found if matches else None
