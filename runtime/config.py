"""The settings of a node: HOME/config.toml, then `--set section.key=value` (DESIGN section 4).

A setting is a field whose metadata holds its `key`; its type says what a value must be, its validator within
which limits. The file is TOML. On the command line the value is TOML too, except that a word needs no quotes
and a list may be written `a,b`.
"""

from __future__ import annotations

import enum
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import attrs

from runtime.console import LogFormat
from sys_processes.http_client.core import MOST_BODY
from sys_processes.http_server.settings import BadSetting, HttpSettings

T = TypeVar("T")

COMMAND_LINE = "--set"
_BIGGEST = 2**53


class ConfigError(Exception):
    """A setting that cannot be used: `.source` is the file or `--set`, `.key` the setting (or "" for the
    whole file).
    """

    def __init__(self, source: str, key: str, problem: str) -> None:
        super().__init__(f"{source}: {problem}")
        self.source = source
        self.key = key
        self.problem = problem


def _known_level(_settings: object, _attribute: attrs.Attribute[int], value: int) -> None:
    if value not in range(4):
        raise BadSetting(f"log.verbosity is {value!r}; it takes 0, 1, 2 or 3")


@attrs.frozen
class LogSettings:
    """`verbosity`: prints up to this level are shown and logged. `format`: of each line."""

    verbosity: int = attrs.field(default=0, validator=_known_level, metadata={"key": "log.verbosity"})
    format: LogFormat = attrs.field(default=LogFormat.Text, metadata={"key": "log.format"})


def _positive(_settings: object, attribute: attrs.Attribute[int], value: int) -> None:
    if value < 1:
        raise BadSetting(f"{attribute.metadata['key']} is {value!r}; it takes a number above 0")


@attrs.frozen
class ClientSettings:
    """`max_body`: bytes of the largest body that `http_client:sys:nectar` fetches."""

    max_body: int = attrs.field(
        default=MOST_BODY, validator=_positive, metadata={"key": "http_client.max_body"}
    )


@attrs.frozen
class Settings:
    http: HttpSettings = attrs.Factory(HttpSettings)
    log: LogSettings = attrs.Factory(LogSettings)
    http_client: ClientSettings = attrs.Factory(ClientSettings)


class _Unfit(Exception):
    """A value that is not of the kind."""


@attrs.frozen
class _Kind:
    """What a value must be: in words, how to take one from TOML, how to read one that is no TOML on the
    command line.
    """

    wanted: str
    take: Callable[[object], object]
    bare: Callable[[str], object] = str


@attrs.frozen
class _Setting:
    kind: _Kind
    field: str
    shape: Callable[..., object]


def load_settings(file: Path | None, overrides: Sequence[tuple[str, str]] = ()) -> Settings:
    """The file, if there is one, then each (section.key, value as written) in order. Raises `ConfigError`."""
    found: dict[str, object] = {}
    if file is not None:
        _take_file(file, found)
    for key, text in overrides:
        setting = _setting(key.strip(), COMMAND_LINE)
        found[key.strip()] = _taken(key.strip(), _parsed(text, setting.kind), COMMAND_LINE)
    return Settings(
        http=_made(HttpSettings, found),
        log=_made(LogSettings, found),
        http_client=_made(ClientSettings, found),
    )


def _made(shape: Callable[..., T], found: dict[str, object]) -> T:
    return shape(
        **{_SETTINGS[key].field: value for key, value in found.items() if _SETTINGS[key].shape is shape}
    )


def _take_file(file: Path, found: dict[str, object]) -> None:
    source = str(file)
    try:
        text = file.read_bytes().decode()
    except FileNotFoundError:
        return
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(source, "", f"cannot be read: {error}") from error
    try:
        sections = tomllib.loads(text)
    except ValueError as error:
        raise ConfigError(source, "", f"is no TOML: {error}") from None
    for section, values in sections.items():
        if not isinstance(values, dict):
            problem = (
                f"{section} is {_shown(values)}; write [{section}] and its settings on lines of their own"
            )
            raise ConfigError(source, section, problem)
        _check_section(section, source)
        for key, value in values.items():
            found[f"{section}.{key}"] = _taken(f"{section}.{key}", value, source)


def _parsed(text: str, kind: _Kind) -> object:
    try:
        values = tomllib.loads(f"value = {text}")
    except ValueError:
        return kind.bare(text.strip())
    # A text with line breaks could bring settings of its own.
    return values["value"] if len(values) == 1 else kind.bare(text)


def _taken(key: str, value: object, source: str) -> object:
    setting = _setting(key, source)
    try:
        taken = setting.kind.take(value)
    except _Unfit:
        problem = f"{key} is {_shown(value)}; it takes {setting.kind.wanted}"
        raise ConfigError(source, key, problem) from None
    try:
        setting.shape(**{setting.field: taken})
    except BadSetting as error:
        raise ConfigError(source, key, str(error)) from None
    return taken


def _setting(key: str, source: str) -> _Setting:
    found = _SETTINGS.get(key)
    if found is None:
        section = key.partition(".")[0]
        _check_section(section, source)
        raise ConfigError(source, key, f"{key} is no setting; those of [{section}] are {_keys_of(section)}")
    return found


def _check_section(section: str, source: str) -> None:
    if not _keys_of(section):
        sections = ", ".join(dict.fromkeys(f"[{key.partition('.')[0]}]" for key in _SETTINGS))
        raise ConfigError(source, section, f"[{section}] is no section; there are {sections}")


def _keys_of(section: str) -> str:
    return ", ".join(key.partition(".")[2] for key in _SETTINGS if key.startswith(f"{section}."))


def _shown(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."


def _take_number(value: object) -> float:
    # Not even infinity or NaN is within.
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= _BIGGEST:
        raise _Unfit
    return float(value)


def _take_whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > _BIGGEST:
        raise _Unfit
    return value


def _take_bool(value: object) -> bool:
    if not isinstance(value, bool):
        raise _Unfit
    return value


def _take_texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
        raise _Unfit
    return tuple(value)


def _split(text: str) -> list[str]:
    return [entry.strip() for entry in text.split(",")] if text else []


def _word_of(words: type[enum.StrEnum]) -> _Kind:
    def take(value: object) -> enum.StrEnum:
        for word in words:
            if value == word.value:
                return word
        raise _Unfit

    return _Kind(" or ".join(f'"{word.value}"' for word in words), take)


_KINDS: dict[object, _Kind] = {
    float: _Kind("a number", _take_number),
    int: _Kind("a whole number", _take_whole),
    bool: _Kind("true or false", _take_bool),
    tuple[str, ...]: _Kind('a list of texts, such as ["a", "b"]', _take_texts, bare=_split),
    LogFormat: _word_of(LogFormat),
}


def _settings_of(shape: type[attrs.AttrsInstance]) -> dict[str, _Setting]:
    attrs.resolve_types(shape)
    return {
        field.metadata["key"]: _Setting(_KINDS[field.type], field.name, shape)
        for field in attrs.fields(shape)
    }


_SETTINGS: dict[str, _Setting] = _settings_of(HttpSettings) | _settings_of(LogSettings)
