"""The requests that databases hear most, without the codec, to which all but the usual text is left."""

from __future__ import annotations

from functools import lru_cache

from kernel.address import IdentifierParseError, PackageId
from kernel.jsontext import JsonValue, NotJson, dump, parse


def read_envelope(raw: bytes) -> tuple[PackageId, str, JsonValue] | None:
    """Package, database and action."""
    try:
        json = parse(raw)
    except NotJson:
        return None
    if not isinstance(json, dict) or len(json) != 3 or "action" not in json:
        return None
    package, db = json.get("package_id"), json.get("db")
    if not isinstance(package, dict) or len(package) != 2 or not isinstance(db, str):
        return None
    name, publisher = package.get("package_name"), package.get("publisher_node")
    if not isinstance(name, str) or not isinstance(publisher, str):
        return None
    found = _package(name, publisher)
    return None if found is None else (found, db, json["action"])


@lru_cache(maxsize=4096)
def _package(name: str, publisher: str) -> PackageId | None:
    try:
        return PackageId(name, publisher)
    except IdentifierParseError:
        return None


def read_bytes(value: JsonValue) -> bytes | None:
    """An array of integers."""
    if not isinstance(value, list):
        return None
    numbers = [one for one in value if one.__class__ is int]
    if len(numbers) != len(value):
        return None
    try:
        return bytes(numbers)
    except ValueError:
        return None


@lru_cache(maxsize=4096)
def envelope_text(package: PackageId, db: str) -> bytes:
    """All that stands before the action."""
    names = {"package_name": package.package, "publisher_node": package.publisher}
    return b'{"package_id":%b,"db":%b,"action":' % (dump(names), dump(db))


_NUMBERS = [b"%d" % byte for byte in range(256)]


def bytes_text(value: bytes) -> bytes:
    return b"[%b]" % b",".join([_NUMBERS[byte] for byte in value])
