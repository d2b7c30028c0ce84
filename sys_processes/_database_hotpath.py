"""The requests that databases hear most, read without the codec. What is not exactly the usual text is left to it."""

from __future__ import annotations

from functools import lru_cache

from kernel.address import IdentifierParseError, PackageId
from kernel.jsontext import JsonValue, NotJson, parse


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
    numbers = [one for one in value if isinstance(one, int) and one is not True and one is not False]
    if len(numbers) != len(value):
        return None
    try:
        return bytes(numbers)
    except ValueError:
        return None
