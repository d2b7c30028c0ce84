"""From a declared type to the functions that read and write its JSON (PROTOCOL 2.1). For `kernel.codec` only.

One cattrs converter finds and caches a pair of hooks per type. Reading never coerces; what does not fit raises
`Unfit`, which collects its JSON path on the way out.
"""

from __future__ import annotations

import enum
import types
import typing
from collections.abc import Callable, Iterable
from functools import partial
from typing import Annotated, Any, NoReturn, TypeVar, get_args

from cattrs import Converter

from kernel.variants import Range

# A type expression: a class, a union, an alias such as list[int].
Form = Any
Load = Callable[[Any, Any], Any]
Dump = Callable[[Any], Any]
T = TypeVar("T")
W = TypeVar("W")


class Unfit(Exception):
    """A JSON value is not of the declared form. `steps` leads from the innermost value outwards."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.steps: list[str | int] = []


def origin_of(form: Form) -> Any:
    """`list` of `list[int]`; None for what has no arguments."""
    return typing.get_origin(form)


def found(value: object) -> str:
    """A JSON value in a few words."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return f"the number {value}"
        case str():
            return f"the string {value!r}" if len(value) <= 40 else f"a string of {len(value)} characters"
        case list():
            return f"an array of {len(value)}"
        case _:
            return "an object"


def expected(what: str, value: object) -> Unfit:
    return Unfit(f"expected {what}, found {found(value)}")


# -- the converter


def _unknown(form: Form) -> NoReturn:
    raise TypeError(f"{form!r} has no JSON form; kernel.codec names the types it knows")


_converter = Converter()
_loading: list[Form] = []
_dumping: list[Form] = []


def register(
    admits: Callable[[Form], bool], load: Callable[[Form], Load], dump: Callable[[Form], Dump]
) -> None:
    """Forms that `admits` accepts are read and written by what the two factories make of them."""
    _converter.register_structure_hook_factory(admits, load)
    _converter.register_unstructure_hook_factory(admits, dump)


def carry(cls: type[T], form: Form, to_form: Callable[[T], W], from_form: Callable[[W], T]) -> None:
    """Values of `cls` travel as `form`. A ValueError of `from_form` makes the JSON unfit."""

    def make_load(_: Form) -> Load:
        inner = load_hook(form)

        def load(value: Any, _: object) -> T:
            carried = inner(value, None)
            try:
                return from_form(carried)
            except ValueError as error:
                raise Unfit(str(error)) from None

        return load

    def make_dump(_: Form) -> Dump:
        inner = dump_hook(form)
        return to_form if inner is same else lambda value: inner(to_form(value))

    register(lambda asked: asked is cls, make_load, make_dump)


def _is_enum(form: Form) -> bool:
    return isinstance(form, type) and issubclass(form, enum.Enum)


def _load_again(form: Form, value: Any, _: object) -> Any:
    return load_hook(form)(value, None)


def _dump_again(form: Form, value: Any) -> Any:
    return dump_hook(form)(value)


def load_hook(form: Form) -> Load:
    """What reads the form. Raises TypeError for a type without one."""
    if form in _loading:  # a form inside itself: by the time it is read, its hook is complete
        return partial(_load_again, form)
    if _is_enum(form):  # before cattrs, which would read a StrEnum as the str that it is
        return _load_enum(form)
    _loading.append(form)
    try:
        return _converter.get_structure_hook(form)
    finally:
        _loading.pop()


def dump_hook(form: Form) -> Dump:
    """What writes the form."""
    if form in _dumping:
        return partial(_dump_again, form)
    if _is_enum(form):
        return lambda value: value.value
    _dumping.append(form)
    try:
        return _converter.get_unstructure_hook(form)
    finally:
        _dumping.pop()


def same(value: Any) -> Any:
    """Writes what JSON can say as it is."""
    return value


register(lambda _: True, _unknown, _unknown)


# -- scalars


def _exactly(cls: type, what: str) -> Load:
    def load(value: object, _: object) -> object:
        if value.__class__ is not cls:
            raise expected(what, value)
        return value

    return load


def _load_float(value: Any, _: object) -> float:
    if value.__class__ is not float and value.__class__ is not int:
        raise expected("a number", value)
    return float(value)


def _load_bytes(value: Any, _: object) -> bytes:
    if value.__class__ is not list:
        raise expected("an array of integers 0-255", value)
    try:
        content = bytes(value)
    except (ValueError, TypeError):
        content = None
    if content is None or set(map(type, value)) - {int}:  # `bytes` takes True for 1
        raise _bad_byte(value)
    return content


def _bad_byte(values: list[Any]) -> Unfit:
    index = next(i for i, byte in enumerate(values) if byte.__class__ is not int or not 0 <= byte <= 255)
    unfit = expected("an integer 0-255", values[index])
    unfit.steps.append(index)
    return unfit


def _load_ranged(form: Form) -> Load:
    (limits,) = (extra for extra in form.__metadata__ if isinstance(extra, Range))

    def load(value: Any, _: object) -> int:
        if value.__class__ is not int or not limits.least <= value <= limits.most:
            raise expected(f"an integer {limits.least}-{limits.most}", value)
        number: int = value
        return number

    return load


def _load_enum(cls: type[enum.Enum]) -> Load:
    members = {(member.value.__class__, member.value): member for member in cls}
    names = ", ".join(repr(member.value) for member in cls)

    def load(value: Any, _: object) -> enum.Enum:
        member = members.get((value.__class__, value)) if isinstance(value, str | int) else None
        if member is None:
            raise expected(f"one of {names}", value)
        return member

    return load


def _scalar(cls: type, load: Load, dump: Dump) -> None:
    _converter.register_structure_hook(cls, load)
    _converter.register_unstructure_hook(cls, dump)


_scalar(bool, _exactly(bool, "true or false"), same)
_scalar(int, _exactly(int, "an integer"), same)
_scalar(str, _exactly(str, "a string"), same)
_scalar(float, _load_float, same)
_scalar(bytes, _load_bytes, list)
_scalar(types.NoneType, _exactly(types.NoneType, "null"), same)


# -- arrays and maps


def _each(load: Load, values: Iterable[Any]) -> list[Any]:
    result: list[Any] = []
    for index, value in enumerate(values):
        try:
            result.append(load(value, None))
        except Unfit as unfit:
            unfit.steps.append(index)
            raise
    return result


def _load_list(form: Form) -> Load:
    origin, arguments = origin_of(form), get_args(form)
    if origin is tuple and (len(arguments) != 2 or arguments[1] is not ...):
        return load_row([load_hook(argument) for argument in arguments], tuple)
    item = load_hook(arguments[0])

    def load(value: Any, _: object) -> object:
        if value.__class__ is not list:
            raise expected("an array", value)
        return origin(_each(item, value))

    return load


def load_row(items: list[Load], build: Callable[[list[Any]], Any]) -> Load:
    """An array with a form for each place."""

    def load(value: Any, _: object) -> object:
        if value.__class__ is not list or len(value) != len(items):
            raise expected(f"an array of {len(items)}", value)
        row = []
        for index, item in enumerate(items):
            try:
                row.append(item(value[index], None))
            except Unfit as unfit:
                unfit.steps.append(index)
                raise
        return build(row)

    return load


def _dump_list(form: Form) -> Dump:
    origin, arguments = origin_of(form), get_args(form)
    if origin is tuple and (len(arguments) != 2 or arguments[1] is not ...):
        items = [dump_hook(argument) for argument in arguments]
        return lambda value: [item(part) for item, part in zip(items, value, strict=True)]
    item = dump_hook(arguments[0])
    return list if item is same else lambda value: [item(part) for part in value]


def _load_map(form: Form) -> Load:
    key_form, value_form = get_args(form)
    load_key, load_value = load_hook(key_form), load_hook(value_form)

    def load(value: Any, _: object) -> dict[Any, Any]:
        if value.__class__ is not dict:
            raise expected("an object", value)
        result = {}
        for key, content in value.items():
            try:
                result[load_key(key, None)] = load_value(content, None)
            except Unfit as unfit:
                unfit.steps.append(key)
                raise
        return result

    return load


def _dump_map(form: Form) -> Dump:
    dump_key, dump_value = (dump_hook(argument) for argument in get_args(form))
    return lambda value: {dump_key(key): dump_value(content) for key, content in value.items()}


def _is_array(form: Form) -> bool:
    return origin_of(form) in (list, tuple)


def _has_range(form: Form) -> bool:
    return origin_of(form) is Annotated and any(isinstance(extra, Range) for extra in form.__metadata__)


register(_has_range, _load_ranged, lambda _: same)
register(_is_array, _load_list, _dump_list)
register(lambda form: origin_of(form) is dict, _load_map, _dump_map)
