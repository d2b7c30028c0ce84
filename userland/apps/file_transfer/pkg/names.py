"""What a file may be called here, and what else it is called when that name is taken."""

import unicodedata
from collections.abc import Collection

LONGEST = 200
"""Bytes of UTF-8: some disks take no more than 255, and a number may be added."""


class BadName(ValueError):
    """The text says why."""


def checked(name: object) -> str:
    """The name in its composed form, so that it looks the same on every node. Raises `BadName`."""
    if not isinstance(name, str):
        raise BadName(f"a name is text, not {type(name).__name__}")
    composed = unicodedata.normalize("NFC", name)
    try:
        size = len(composed.encode())
    except UnicodeEncodeError:
        raise BadName("the name is no Unicode text") from None
    if not composed.strip() or composed != composed.strip():
        raise BadName("a name has a beginning and an end that can be seen")
    if composed.startswith(".") or composed.endswith("."):
        raise BadName(f"{composed[:40]!r} begins or ends with a dot")
    if any(each in '/\\:*?"<>|' or not each.isprintable() for each in composed):
        raise BadName(f"{composed[:40]!r} has a character that no name of a file may have everywhere")
    if size > LONGEST:
        raise BadName(f"the name has {size} bytes, {LONGEST} at most")
    return composed


def free(name: str, taken: Collection[str]) -> str:
    """The name, or `name (2).txt` and so on; names that differ in case only are one on some disks."""
    there = {each.casefold() for each in taken}
    stem, dot, ending = name.rpartition(".")
    if not stem:
        stem, dot, ending = name, "", ""
    found, number = name, 2
    while found.casefold() in there:
        found = f"{stem} ({number}){dot}{ending}"
        number += 1
    return found
