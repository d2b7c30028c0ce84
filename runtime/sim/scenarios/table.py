"""Reading the tables of a scenario file: every complaint names the file, the path in it, and what to write instead."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Iterator
from math import inf
from string import Template
from typing import TypeGuard, TypeVar

T = TypeVar("T")
Span = tuple[float, float]
"""The least and the most seconds."""


class BadScenario(ValueError):
    """A scenario that cannot be played. `path` is where in the file (`$.phase[0].fault[1].at`), `fix` what to write."""

    def __init__(self, file: str, path: str, problem: str, fix: str) -> None:
        super().__init__(f"{file} {path}: {problem}; {fix}")
        self.file = file
        self.path = path
        self.problem = problem
        self.fix = fix


def read_toml(file: str, raw: bytes) -> dict[str, object]:
    """Raises `BadScenario`; `file` is only named in it."""
    try:
        return tomllib.loads(raw.decode())
    except (ValueError, RecursionError) as error:
        raise BadScenario(file, "$", f"no TOML: {error}", "correct the text at that place") from None


def shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


class _Nothing:
    """No default: the key must be there."""


NEEDED = _Nothing()


class Table:
    """One table. Ask for every key that it may have, then call `end`. Every method raises `BadScenario`."""

    def __init__(self, file: str, path: str, values: dict[str, object]) -> None:
        self.file = file
        self.path = path
        self._values = values
        self._asked: dict[str, None] = {}

    def error(self, key: str, problem: str, fix: str) -> BadScenario:
        path = f"{self.path}.{key}" if key else self.path
        return BadScenario(self.file, path, problem, fix)

    def end(self) -> None:
        """Nothing else may be in it."""
        for key in self._values:
            if key not in self._asked:
                near = difflib.get_close_matches(key, self._asked, 1)
                fix = f"write {near[0]}" if near else f"there are {', '.join(self._asked)}"
                raise self.error(key, "means nothing here", fix)

    def has(self, key: str) -> bool:
        self._asked[key] = None
        return key in self._values

    # -- one value. Without a default it must be there.

    def _take(self, key: str, wanted: str, example: str, default: T | _Nothing) -> object:
        if self.has(key):
            return self._values[key]
        if isinstance(default, _Nothing):
            raise self.error(key, f"missing, expected {wanted}", f"write {key} = {example}")
        return default

    def _wrong(self, key: str, wanted: str, example: str) -> BadScenario:
        problem = f"expected {wanted}, found {shown(self._values[key])}"
        return self.error(key, problem, f"write {key} = {example}")

    def text(self, key: str, default: str | _Nothing = NEEDED, *, example: str = '"..."') -> str:
        value = self._take(key, "text", example, default)
        if not isinstance(value, str):
            raise self._wrong(key, "text", example)
        return value

    def one_of(self, key: str, options: Iterable[str], default: str | _Nothing = NEEDED) -> str:
        known = list(options)
        value = self.text(key, default, example=f'"{known[0]}"')
        if value not in known:
            near = difflib.get_close_matches(value, known, 1)
            fix = f'write "{near[0]}"' if near else f"there are {', '.join(known)}"
            raise self.error(key, f"{value!r} is not known", fix)
        return value

    def flag(self, key: str, *, default: bool) -> bool:
        value = self._take(key, "true or false", "true", default)
        if not isinstance(value, bool):
            raise self._wrong(key, "true or false", "true")
        return value

    def number(
        self, key: str, default: float | _Nothing = NEEDED, *, least: float = 0.0, most: float = inf
    ) -> float:
        wanted = f"a number from {least:g} on" if most == inf else f"a number from {least:g} to {most:g}"
        value = self._take(key, wanted, "1.0", default)
        if not _is_number(value) or not least <= value <= most:
            raise self._wrong(key, wanted, f"{max(least, min(most, 1.0)):g}")
        return float(value)

    def probability(self, key: str, default: float | _Nothing = NEEDED) -> float:
        return self.number(key, default, most=1.0)

    def whole(self, key: str, default: int | _Nothing = NEEDED, *, least: int = 0) -> int:
        wanted = f"a whole number from {least} on"
        value = self._take(key, wanted, str(max(1, least)), default)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise self._wrong(key, wanted, str(max(1, least)))
        return value

    def span(self, key: str, default: Span | _Nothing = NEEDED) -> Span:
        """A number of seconds, or the least and the most: `5` or `[1, 20]`."""
        wanted, example = "seconds, or the least and the most of them", "[1, 20]"
        value = self._take(key, wanted, example, default)
        if _is_number(value) and 0.0 <= value < inf:
            return float(value), float(value)
        if isinstance(value, list | tuple) and len(value) == 2:
            first, second = value
            if _is_number(first) and _is_number(second) and 0.0 <= first <= second < inf:
                return float(first), float(second)
        raise self._wrong(key, wanted, example)

    def template(self, key: str, names: Iterable[str], default: str | _Nothing = NEEDED) -> Template:
        """Text in which `$name` stands for something; `$$` is a `$`."""
        template = Template(self.text(key, default))
        known = list(names)
        strange = [name for name in template.get_identifiers() if name not in known]
        if strange or not template.is_valid():
            found = f"${strange[0]}" if strange else "a $ that begins no name"
            there = ", ".join(f"${name}" for name in known)
            raise self.error(key, f"{found} stands for nothing", f"there are {there}, and $$ for a $")
        return template

    # -- several values

    def texts(self, key: str, default: tuple[str, ...] | _Nothing = NEEDED) -> tuple[str, ...]:
        """A list of texts, or one of them."""
        wanted, example = "text, or a list of texts", '["...", "..."]'
        value = self._take(key, wanted, example, default)
        found = [value] if isinstance(value, str) else value
        if not isinstance(found, list | tuple) or not all(isinstance(one, str) for one in found):
            raise self._wrong(key, wanted, example)
        return tuple(found)

    def numbers(self, key: str) -> tuple[float, ...]:
        """A list of seconds, or one number of them."""
        wanted, example = "seconds, or a list of them", "[0.5, 1.0]"
        value = self._take(key, wanted, example, NEEDED)
        found = [value] if _is_number(value) else value
        if not isinstance(found, list) or not all(_is_number(one) and 0.0 <= one < inf for one in found):
            raise self._wrong(key, wanted, example)
        return tuple(float(one) for one in found)

    # -- tables in it

    def table(self, key: str, *, needed: bool = False) -> Table:
        """Empty if it is not there."""
        if not self.has(key):
            if needed:
                raise self.error(key, "missing, expected a table", f"write {key} = {{ ... }}")
            return Table(self.file, f"{self.path}.{key}", {})
        value = self._values[key]
        if not isinstance(value, dict):
            raise self.error(key, f"expected a table, found {shown(value)}", f"write {key} = {{ ... }}")
        return Table(self.file, f"{self.path}.{key}", value)

    def is_table(self, key: str) -> bool:
        return isinstance(self._values.get(key), dict)

    def tables(self, key: str) -> Iterator[Table]:
        """Each `[[key]]`."""
        value = self._values[key] if self.has(key) else []
        if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
            name = f"{self.path}.{key}".removeprefix("$.")
            plain = "".join(part.partition("[")[0] + "." for part in name.split(".")).rstrip(".")
            raise self.error(key, f"expected tables, found {shown(value)}", f"write [[{plain}]]")
        for number, one in enumerate(value):
            yield Table(self.file, f"{self.path}.{key}[{number}]", one)


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
