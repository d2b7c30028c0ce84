"""JSON text, strict: UTF-8, no NaN, u64 numbers. Shapes are `kernel.codec`'s business."""

from __future__ import annotations

from typing import TypeAlias

import orjson

JsonValue: TypeAlias = "None | bool | int | float | str | list[JsonValue] | dict[str, JsonValue]"


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
    """The text with sorted keys and no spaces if it is JSON, else unchanged."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
