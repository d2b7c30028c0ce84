"""JSON text, strict: UTF-8, no NaN, u64 numbers. Shapes are `kernel.codec`'s business."""

from __future__ import annotations

from functools import lru_cache
from typing import TypeAlias

import orjson

JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"


# So long is what is remembered of texts that were made canonical: capabilities are asked for again and again.
_KEPT = 512


class NotJson(ValueError):
    """The text is no JSON; says where."""


def parse(text: bytes | str) -> JsonValue:
    """Raises `NotJson`."""
    try:
        value: JsonValue = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise NotJson(str(error)) from None
    return value


def dump(value: object) -> bytes:
    """Compact UTF-8 text, keys in the order given. Raises TypeError for what JSON cannot say."""
    return orjson.dumps(value)


def canonical(text: str) -> str:
    """The text with sorted keys and no spaces if it is JSON, else unchanged.

    Unchanged too beyond 254 levels, which can be read but not written.
    """
    return _kept_canonical(text) if len(text) <= _KEPT else _canonical(text)


def _canonical(text: str) -> str:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
    except orjson.JSONEncodeError:
        return text


_kept_canonical = lru_cache(maxsize=4096)(_canonical)
