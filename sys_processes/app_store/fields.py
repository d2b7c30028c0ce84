"""Reading a package's JSON files: every complaint names the file, the JSON path and the fix."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

import attrs

from kernel.jsontext import JsonValue, NotJson, dump, parse


class PackageError(ValueError):
    """A package that cannot be installed.

    `file` is its path in the package, `path` the JSON path in it (or `$`), `fix` what to write instead.
    """

    def __init__(self, file: str, path: str, problem: str, fix: str) -> None:
        place = file if path == "$" else f"{file} {path}"
        super().__init__(f"{place}: {problem} ({fix})")
        self.file = file
        self.path = path
        self.problem = problem
        self.fix = fix


@attrs.frozen
class PackageWarning:
    """Something odd that does not stop an install."""

    file: str
    path: str
    text: str

    def __str__(self) -> str:
        return f"{self.file if self.path == '$' else f'{self.file} {self.path}'}: {self.text}"


def shown(value: JsonValue) -> str:
    """A JSON value, cut to what fits into one line of an error."""
    text = dump(value).decode()
    return text if len(text) <= 60 else f"{text[:57]}..."


@attrs.frozen
class Place:
    """A value inside one JSON file. Warnings about the file gather in one list, shared by all its places."""

    file: str
    path: str
    value: JsonValue
    warnings: list[PackageWarning]

    @classmethod
    def of_file(cls, file: str, raw: bytes, warnings: list[PackageWarning]) -> Place:
        """Raises `PackageError` when the file holds no JSON."""
        try:
            return cls(file, "$", parse(raw), warnings)
        except NotJson as error:
            raise PackageError(file, "$", f"is no JSON: {error}", "correct the text at that place") from None

    def error(self, problem: str, fix: str) -> PackageError:
        return PackageError(self.file, self.path, problem, fix)

    def warn(self, text: str) -> None:
        self.warnings.append(PackageWarning(self.file, self.path, text))

    def mismatch(self, wanted: str, example: str) -> PackageError:
        return self.error(f"expected {wanted}, found {shown(self.value)}", f"write {example}")

    def text(self, example: str) -> str:
        if not isinstance(self.value, str):
            raise self.mismatch("text", example)
        return self.value

    def flag(self) -> bool:
        if not isinstance(self.value, bool):
            raise self.mismatch("true or false", "true or false, without quotes")
        return self.value

    def count(self) -> int:
        if isinstance(self.value, bool) or not isinstance(self.value, int) or self.value < 1:
            raise self.mismatch("a whole number from 1 on", "a number, without quotes")
        return self.value

    def items(self, example: str) -> list[Place]:
        if not isinstance(self.value, list):
            raise self.mismatch("a list", example)
        return [attrs.evolve(self, path=f"{self.path}[{n}]", value=v) for n, v in enumerate(self.value)]

    def fields(self, example: str) -> Fields:
        if not isinstance(self.value, dict):
            raise self.mismatch("an object", example)
        return Fields(self, self.value)


@attrs.frozen
class Fields:
    """The members of a JSON object."""

    place: Place
    members: dict[str, JsonValue]

    def get(self, *spellings: str) -> Place | None:
        """The value under one of the spellings, None when absent or null. Two spellings are an error."""
        found = [name for name in spellings if name in self.members]
        if len(found) > 1:
            both = " and ".join(repr(name) for name in found)
            raise self.place.error(f"{both} name the same thing", f"keep {found[0]!r} only")
        if not found or self.members[found[0]] is None:
            return None
        name = found[0]
        return attrs.evolve(self.place, path=f"{self.place.path}.{name}", value=self.members[name])

    def need(self, *spellings: str, example: str) -> Place:
        place = self.get(*spellings)
        if place is None:
            raise self.place.error(f"{spellings[0]!r} is missing", f'add "{spellings[0]}": {example}')
        return place

    def warn_unknown(self, known: Iterable[str]) -> None:
        """One warning for each key that means nothing here, with the name that was probably meant."""
        names = sorted(known)
        for key in self.members:
            if key not in names:
                close = difflib.get_close_matches(key, names, n=1)
                hint = f'; did you mean "{close[0]}"?' if close else ""
                self.place.warn(f"unknown key {key!r} is ignored{hint}")
