"""The one JSON codec: declared classes to serde's JSON and back (PROTOCOL 2.1, 1.4, 0.3).

A field may be an int (no bool, no float; `U8`, `U16`, `U32`, `U64` check the range), str, bool, float (any JSON
number), bytes (an array of integers 0-255), None, `X | None` (a missing key is null), list, tuple, dict with text-like
keys, an Enum (its value), `object` or `JsonValue` (any JSON), an attrs class, a union, a NewType, and the kernel's own
values: ProcessId, Address, PackageId, Payload, Request, Response, OnExit, Capability, SignedCapability.

- An attrs class is an object; under `@unit`, `@newtype`, `@struct` or `@tuple_variant` it is a variant of a serde
  enum, and an enum is a union of such classes. `{"V": null}` is read for a unit variant too.
- Nothing is coerced. Unknown keys are ignored, a missing key is an error unless the field is optional or has a default.
- `attrs.field(metadata=...)` takes `"name"` (the key, when it differs from the field), `"also"` (other spellings that
  are read; two spellings in one object are an error), `"omit_default"` (a value equal to the default is not written).
- Members of a union that share a JSON kind are tried in order, tagged variants first.
- `carry(Class, form, to_form, from_form)` lets a class that is none of these travel as one that is.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, Generic, TypeAlias, TypeVar

import attrs

from kernel import carried, objects
from kernel.jsontext import JsonValue, NotJson, parse
from kernel.jsontext import dump as dump_json
from kernel.shaping import Unfit, carry, dump_hook, load_hook
from kernel.variants import U8, U16, U32, U64, newtype, struct, tuple_variant, unit

__all__ = [
    "OK",
    "U8",
    "U16",
    "U32",
    "U64",
    "Err",
    "Malformed",
    "Ok",
    "Result",
    "Shape",
    "carry",
    "newtype",
    "struct",
    "tuple_variant",
    "unit",
]

# Their imports teach the converter classes, variants and unions, and the kernel's own values.
_TAUGHT = (objects, carried)

T = TypeVar("T")
E = TypeVar("E")

_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Malformed(ValueError):
    """JSON text that is not of the asked shape.

    `path` is where (`$.Bind.path`), `problem` what was expected and what was found.
    """

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = path
        self.problem = problem


def _step(step: str | int) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    if len(step) > 60:
        step = step[:60] + "..."
    return f".{step}" if _PLAIN_KEY.fullmatch(step) else f"[{step!r}]"


class Shape(Generic[T]):
    """How values of a type look in JSON. Made once per type, at import; a type without a JSON form is a TypeError.

    `fast_encode` and `fast_decode` are shortcuts for hot shapes: they return None when they are not sure, and the
    declared shape decides. They must agree with it and raise nothing.
    """

    def __init__(
        self,
        form: object,
        *,
        fast_encode: Callable[[T], bytes | None] | None = None,
        fast_decode: Callable[[bytes], T | None] | None = None,
    ) -> None:
        self._load = load_hook(form)
        self._dump = dump_hook(form)
        self._fast_encode = fast_encode
        self._fast_decode = fast_decode

    def decode(self, raw: bytes) -> T:
        """Raises `Malformed` and nothing else."""
        if self._fast_decode is not None:
            value = self._fast_decode(raw)
            if value is not None:
                return value
        try:
            json = parse(raw)
        except NotJson as error:
            raise Malformed("$", f"not JSON: {error}") from None
        return self.load(json)

    def encode(self, value: T) -> bytes:
        """Compact JSON. TypeError for a value that is not of this type, text that is not Unicode, or 254 levels."""
        if self._fast_encode is not None:
            raw = self._fast_encode(value)
            if raw is not None:
                return raw
        return dump_json(self._dump(value))

    def load(self, json: JsonValue) -> T:
        """`decode` for JSON that is parsed already. Raises `Malformed`."""
        try:
            value: T = self._load(json, None)
        except Unfit as unfit:
            path = "$" + "".join(_step(step) for step in reversed(unfit.steps))
            raise Malformed(path, unfit.problem) from None
        except RecursionError:
            raise Malformed("$", "nested too deeply") from None
        return value

    def dump(self, value: T) -> JsonValue:
        """`encode` without the text."""
        json: JsonValue = self._dump(value)
        return json


# -- Result


@newtype
@attrs.frozen
class Ok(Generic[T]):
    """`{"Ok": value}`; of a `Result<(),E>` it is `Ok(None)`."""

    value: T


@newtype
@attrs.frozen
class Err(Generic[E]):
    """`{"Err": error}`."""

    error: E


# Use by name: `Answer = Result[None, KvError]`, then `ANSWER: Shape[Answer] = Shape(Answer)`.
Result: TypeAlias = Ok[T] | Err[E]
OK: Final = b'{"Ok":null}'
