"""Identifiers: `ProcessId`, `PackageId`, `Address` (PROTOCOL section 1).

Parsing is strict: what prints parses back to an equal value, everything else raises with a `.kind`.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable
from contextvars import ContextVar
from functools import lru_cache
from itertools import count
from typing import Self

import attrs

OUR = "our"

# Control characters, and the surrogates, which no UTF-8 text can hold.
_BAD_CHAR = re.compile(r"[:@/\s\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_SAFE = re.compile(r"[A-Za-z0-9_.-]+")


class ParseKind(enum.StrEnum):
    """Why an identifier did not parse (PROTOCOL 1.3)."""

    MissingField = "MissingField"
    TooManyColons = "TooManyColons"
    MissingNodeId = "MissingNodeId"
    TooManyAts = "TooManyAts"
    InvalidCharacter = "InvalidCharacter"


# Characters of a bad text that an error repeats; and of a good one that is kept parsed.
_SHOWN = 200
_KEPT = 256

_EXPLAINED = {
    ParseKind.MissingField: "Missing field in ProcessId string",
    ParseKind.TooManyColons: "Too many colons in ProcessId string",
    ParseKind.MissingNodeId: "Node ID missing",
    ParseKind.TooManyAts: "Too many @ in address string",
    ParseKind.InvalidCharacter: "Invalid character",
}


class IdentifierParseError(ValueError):
    """Text is no identifier; `.kind` names the rule it breaks, `.text` is what was given."""

    def __init__(self, kind: ParseKind, text: str, wanted: str) -> None:
        shown = text if len(text) <= _SHOWN else text[:_SHOWN] + "..."
        super().__init__(f"{_EXPLAINED[kind]}: {shown!r} is not of the form {wanted!r}")
        self.kind = kind
        self.text = text


class ProcessIdParseError(IdentifierParseError):
    """Not a `process:package:publisher` or `package:publisher`."""


class AddressParseError(IdentifierParseError):
    """Not a `node@process:package:publisher`."""


def _split_mix(seed: int) -> int:
    """Spread a counter over 64 bits (a bijection, so that two draws differ)."""
    z = (seed * 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
    return z ^ (z >> 31)


_counter = count(1)

# Inside a process the kernel sets this to its own Chance; outside, names only have to differ within the interpreter.
fresh_name: ContextVar[Callable[[], int]] = ContextVar(
    "fresh_name", default=lambda: _split_mix(next(_counter))
)


def is_safe(segment: str) -> bool:
    """Whether a segment or node name may be created here (PROTOCOL 1.3, "Ours")."""
    return _SAFE.fullmatch(segment) is not None


def _check_segment(segment: str, text: str, error: type[IdentifierParseError], wanted: str) -> None:
    if not segment:
        raise error(ParseKind.MissingField, text, wanted)
    if ":" in segment:
        raise error(ParseKind.TooManyColons, text, wanted)
    if _BAD_CHAR.search(segment):
        raise error(ParseKind.InvalidCharacter, text, wanted)


def _split(text: str, parts: int, wanted: str) -> list[str]:
    found = text.split(":")
    if len(found) < parts:
        raise ProcessIdParseError(ParseKind.MissingField, text, wanted)
    if len(found) > parts:
        raise ProcessIdParseError(ParseKind.TooManyColons, text, wanted)
    for segment in found:
        _check_segment(segment, text, ProcessIdParseError, wanted)
    return found


_PROCESS_FORM = "process:package:publisher"
_PACKAGE_FORM = "package:publisher"
_ADDRESS_FORM = "node@process:package:publisher"


def _require_text(text: object, kind: str, wanted: str) -> None:
    if not isinstance(text, str):
        raise TypeError(f"{kind}.from_str takes text such as {wanted!r}, got {text!r}")


@attrs.frozen(order=True)
class PackageId:
    """`package:publisher`."""

    package: str
    publisher: str

    def __attrs_post_init__(self) -> None:
        text = f"{self.package}:{self.publisher}"
        for segment in (self.package, self.publisher):
            _check_segment(segment, text, ProcessIdParseError, _PACKAGE_FORM)

    @classmethod
    def from_str(cls, text: str) -> Self:
        """Raises `ProcessIdParseError`."""
        _require_text(text, "PackageId", _PACKAGE_FORM)
        return cls(*_split(text, 2, _PACKAGE_FORM))

    def __str__(self) -> str:
        return f"{self.package}:{self.publisher}"


def _process_name(name: str | None) -> str:
    return str(fresh_name.get()()) if name is None else name


@attrs.frozen(order=True, cache_hash=True)
class ProcessId:
    """`process:package:publisher`. A name of None becomes a fresh decimal u64."""

    process: str = attrs.field(converter=_process_name)
    package: str
    publisher: str

    def __attrs_post_init__(self) -> None:
        text = f"{self.process}:{self.package}:{self.publisher}"
        for segment in (self.process, self.package, self.publisher):
            _check_segment(segment, text, ProcessIdParseError, _PROCESS_FORM)

    @classmethod
    def from_str(cls, text: str) -> ProcessId:
        """Raises `ProcessIdParseError`."""
        _require_text(text, "ProcessId", _PROCESS_FORM)
        return _kept_process_id(text) if len(text) <= _KEPT else _parse_process_id(text)

    @property
    def package_id(self) -> PackageId:
        return PackageId(self.package, self.publisher)

    def is_safe(self) -> bool:
        """Whether a process of this id may be created on a node."""
        return is_safe(self.process) and is_safe(self.package) and is_safe(self.publisher)

    def __str__(self) -> str:
        return f"{self.process}:{self.package}:{self.publisher}"


def _parse_process_id(text: str) -> ProcessId:
    return ProcessId(*_split(text, 3, _PROCESS_FORM))


_kept_process_id = lru_cache(maxsize=4096)(_parse_process_id)


def to_process_id(value: ProcessId | str | tuple[str, str, str]) -> ProcessId:
    """A ProcessId from itself, its text, or its three parts."""
    if isinstance(value, ProcessId):
        return value
    if isinstance(value, str):
        return ProcessId.from_str(value)
    if isinstance(value, tuple) and len(value) == 3:
        return ProcessId(*value)
    raise TypeError(f"a process id is a ProcessId, its text, or (process, package, publisher); got {value!r}")


@attrs.frozen(order=True, cache_hash=True)
class Address:
    """`node@process:package:publisher`. `process` takes a ProcessId, its text, or its three parts."""

    node: str
    process: ProcessId = attrs.field(converter=to_process_id)

    def __attrs_post_init__(self) -> None:
        text = f"{self.node}@{self.process}"
        if not self.node:
            raise AddressParseError(ParseKind.MissingNodeId, text, _ADDRESS_FORM)
        _check_segment(self.node, text, AddressParseError, _ADDRESS_FORM)

    @classmethod
    def from_str(cls, text: str) -> Address:
        """Raises `AddressParseError`."""
        _require_text(text, "Address", _ADDRESS_FORM)
        return _kept_address(text) if len(text) <= _KEPT else _parse_address(text)

    @property
    def process_name(self) -> str:
        return self.process.process

    @property
    def package(self) -> str:
        return self.process.package

    @property
    def publisher(self) -> str:
        return self.process.publisher

    @property
    def package_id(self) -> PackageId:
        return self.process.package_id

    def __str__(self) -> str:
        return f"{self.node}@{self.process}"


def _parse_address(text: str) -> Address:
    node, at, rest = text.partition("@")
    if not at or not node:
        raise AddressParseError(ParseKind.MissingNodeId, text, _ADDRESS_FORM)
    if "@" in rest:
        raise AddressParseError(ParseKind.TooManyAts, text, _ADDRESS_FORM)
    _check_segment(node, text, AddressParseError, _ADDRESS_FORM)
    try:
        return Address(node, ProcessId.from_str(rest))
    except ProcessIdParseError as error:
        raise AddressParseError(error.kind, text, _ADDRESS_FORM) from None


_kept_address = lru_cache(maxsize=4096)(_parse_address)
