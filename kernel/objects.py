"""attrs classes, enum variants and unions as JSON (PROTOCOL 2.1). Only `kernel.codec` uses this."""

from __future__ import annotations

import enum
import types
import typing
from collections.abc import Callable
from typing import Annotated, Any, TypeVar, Union, get_args

import attrs

from kernel.jsontext import JsonValue
from kernel.shaping import (
    Dump,
    Form,
    Load,
    Unfit,
    dump_hook,
    expected,
    found,
    load_hook,
    load_row,
    origin_of,
    register,
    same,
)
from kernel.variants import Style, Variant, variant_of

# -- fields


class Absent(enum.Enum):
    """What a missing key means."""

    error = enum.auto()
    null = enum.auto()
    default = enum.auto()


@attrs.frozen
class Slot:
    """One field as JSON has it. `keys` are its spellings, of which the first is written."""

    name: str
    argument: str
    keys: tuple[str, ...]
    form: Form
    absent: Absent
    omitted: object


def _class_of(form: Form) -> Any:
    return origin_of(form) or form


def _substituted(form: Form, arguments: dict[Form, Form]) -> Form:
    if isinstance(form, TypeVar):
        return arguments[form]
    parameters = getattr(form, "__parameters__", ())
    return form[tuple(arguments[parameter] for parameter in parameters)] if parameters else form


def _hints(cls: type) -> dict[str, Form]:
    """The resolved annotations. A field named like a type (`bytes: bytes`) must not hide that type, so the class's
    own namespace is kept out of the lookup.
    """
    hints: dict[str, Form] = {}
    for base in reversed(cls.__mro__):
        annotations = vars(base).get("__annotations__", {})
        bare = type(base.__name__, (), {"__annotations__": annotations, "__module__": base.__module__})
        hints |= typing.get_type_hints(bare, include_extras=True)
    return hints


def _omitted(field: attrs.Attribute[Any]) -> object:
    """The value that is not written, or NOTHING."""
    if not field.metadata.get("omit_default"):
        return attrs.NOTHING
    default: Any = field.default
    return default.factory() if isinstance(default, attrs.Factory) else default  # type: ignore[arg-type]


def _slots(form: Form) -> list[Slot]:
    cls = _class_of(form)
    hints = _hints(cls)
    arguments = dict(zip(getattr(cls, "__parameters__", ()), get_args(form), strict=True))
    slots = []
    for field in attrs.fields(cls):
        field_form = _substituted(hints[field.name], arguments)
        if field.default is not attrs.NOTHING:
            absent = Absent.default
        else:
            absent = Absent.null if _is_optional(field_form) else Absent.error
        keys = (field.metadata.get("name", field.name), *field.metadata.get("also", ()))
        slots.append(Slot(field.name, field.alias, keys, field_form, absent, _omitted(field)))
    return slots


# -- plain objects


def _built(cls: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    try:
        return cls(*args, **kwargs)
    except ValueError as error:  # from a validator of the class
        raise Unfit(str(error)) from None


def _key_in(value: dict[str, Any], keys: tuple[str, ...]) -> str | None:
    present = [key for key in keys if key in value]
    if len(present) > 1:
        raise Unfit(f"has both {present[0]!r} and {present[1]!r}, which name the same field")
    return present[0] if present else None


def _load_object(form: Form) -> Load:
    cls = _class_of(form)
    slots = [(slot, load_hook(slot.form)) for slot in _slots(form)]

    def load(value: Any, _: object) -> object:
        if value.__class__ is not dict:
            raise expected("an object", value)
        arguments: dict[str, Any] = {}
        for slot, hook in slots:
            key = _key_in(value, slot.keys)
            if key is None:
                if slot.absent is Absent.error:
                    raise Unfit(f"missing key {' or '.join(map(repr, slot.keys))}")
                if slot.absent is Absent.null:
                    arguments[slot.argument] = None
                continue
            try:
                arguments[slot.argument] = hook(value[key], None)
            except Unfit as unfit:
                unfit.steps.append(key)
                raise
        return _built(cls, **arguments)

    return load


def _dump_object(form: Form) -> Dump:
    slots = [(slot.name, slot.keys[0], dump_hook(slot.form), slot.omitted) for slot in _slots(form)]

    def dump(value: object) -> dict[str, Any]:
        written = {}
        for name, key, hook, omitted in slots:
            content = getattr(value, name)
            if omitted is attrs.NOTHING or content != omitted:
                written[key] = content if hook is same else hook(content)
        return written

    return dump


# -- variants


def _variant(form: Form) -> Variant | None:
    cls = _class_of(form)
    return variant_of(cls) if isinstance(cls, type) else None


def _load_unit(cls: Callable[[], object]) -> Load:
    def load(value: object, _: object) -> object:
        if value is not None:
            raise expected("null, for a variant without content", value)
        return cls()

    return load


def _load_content(form: Form, style: Style) -> Load:
    """Reads what stands under the tag."""
    cls = _class_of(form)
    if style is Style.struct:
        return _load_object(form)
    if style is Style.unit:
        return _load_unit(cls)
    hooks = [load_hook(slot.form) for slot in _slots(form)]
    if style is Style.newtype:
        return lambda value, _: _built(cls, hooks[0](value, None))
    return load_row(hooks, lambda row: _built(cls, *row))


def _load_tagged(forms: list[Form]) -> Load:
    """Externally tagged variants: `"V"` or `{"V": content}`."""
    contents: dict[str, tuple[Style, Load]] = {}
    for form in forms:
        variant = _variant(form)
        assert variant is not None
        if variant.tag in contents:
            raise TypeError(f"two variants of one union have the tag {variant.tag!r}")
        contents[variant.tag] = variant.style, _load_content(form, variant.style)
    names = ", ".join(contents)

    def load(value: Any, _: object) -> object:
        tag, content = value, None
        if value.__class__ is dict and len(value) == 1:
            ((tag, content),) = value.items()
        elif value.__class__ is not str:
            raise expected(f"one variant of {names}", value)
        if tag not in contents:
            raise Unfit(f"{found(tag)} is no variant; known are {names}")
        style, hook = contents[tag]
        if style is not Style.unit and value.__class__ is str:
            raise Unfit(f"variant {tag!r} needs content: {{{tag!r}: ...}}")
        try:
            return hook(content, None)
        except Unfit as unfit:
            unfit.steps.append(tag)
            raise

    return load


def _dump_tagged(form: Form) -> Dump:
    variant = _variant(form)
    assert variant is not None
    tag = variant.tag
    if variant.style is Style.unit:
        return lambda _: tag
    if variant.style is Style.struct:
        content = _dump_object(form)
        return lambda value: {tag: content(value)}
    hooks = [(slot.name, dump_hook(slot.form)) for slot in _slots(form)]
    if variant.style is Style.newtype:
        ((name, hook),) = hooks
        return lambda value: {tag: hook(getattr(value, name))}
    return lambda value: {tag: [hook(getattr(value, name)) for name, hook in hooks]}


# -- unions


def _is_union(form: Form) -> bool:
    return origin_of(form) in (Union, types.UnionType)


def _is_optional(form: Form) -> bool:
    return form is types.NoneType or (_is_union(form) and types.NoneType in get_args(form))


def _load_union(form: Form) -> Load:
    members = get_args(form)
    tagged = [member for member in members if _variant(member)]
    plain = [member for member in members if not _variant(member) and member is not types.NoneType]
    hooks = [load_hook(member) for member in plain]
    if tagged:
        hooks.insert(0, _load_tagged(tagged))
    optional = types.NoneType in members
    if len(hooks) == 1:
        (only,) = hooks
        return (lambda value, _: None if value is None else only(value, None)) if optional else only

    def load(value: Any, _: object) -> object:
        if optional and value is None:
            return None
        failures = []
        for hook in hooks:
            try:
                return hook(value, None)
            except Unfit as unfit:
                failures.append(unfit)
        raise max(failures, key=lambda unfit: len(unfit.steps))  # the one that fitted best

    return load


def _runtime_class(form: Form) -> type:
    """The class that values of a union's member have."""
    if hasattr(form, "__supertype__"):
        return _runtime_class(form.__supertype__)
    if origin_of(form) is Annotated:
        return _runtime_class(get_args(form)[0])
    cls = _class_of(form)
    if not isinstance(cls, type):
        raise TypeError(f"{form!r} cannot stand in a union")
    return cls


def _dump_union(form: Form) -> Dump:
    hooks: dict[type, Dump] = {}
    for member in get_args(form):
        cls = _runtime_class(member)
        if cls in hooks:
            raise TypeError(
                f"{form!r} has two members whose values are {cls.__name__}; give each a class of its own"
            )
        hooks[cls] = dump_hook(member)

    def dump(value: object) -> Any:
        for cls in value.__class__.__mro__:
            if cls in hooks:
                return hooks[cls](value)
        raise TypeError(f"{value!r} is none of {', '.join(cls.__name__ for cls in hooks)}")

    return dump


# -- which is which


@attrs.frozen
class _Anything:
    value: JsonValue


_ANY_JSON = (object, _hints(_Anything)["value"])


def _is_class(form: Form) -> bool:
    cls = _class_of(form)
    return isinstance(cls, type) and attrs.has(cls)


def _is_newtype(form: Form) -> bool:
    return hasattr(form, "__supertype__")


register(_is_newtype, lambda form: load_hook(form.__supertype__), lambda form: dump_hook(form.__supertype__))
register(_is_class, _load_object, _dump_object)
register(lambda form: _variant(form) is not None, lambda form: _load_tagged([form]), _dump_tagged)
register(_is_union, _load_union, _dump_union)
register(lambda form: form in _ANY_JSON, lambda _: lambda value, _: value, lambda _: same)
