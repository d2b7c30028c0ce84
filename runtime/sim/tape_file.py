"""A tape as a JSON file: every choice of one run, and what is needed to repeat it.

The values stand label by label, as `0*31 1000 0*9`, so that people can read and edit them; the order in which the
labels were asked is one compressed text. Ten thousand choices take some ten kilobytes.
"""

from __future__ import annotations

import base64
import json
import platform
import re
import zlib
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from itertools import groupby
from pathlib import Path

import attrs
import trio

from kernel.codec import Malformed, Shape
from kernel.jsontext import parse
from runtime.sim.choices import Choice

FORMAT = 1
MOST_CHOICES = 10_000_000
_PLACE_BYTES = 4
_RUN = re.compile(r"(\d{1,18})(?:\*(\d{1,8}))?")


def _nectar_version() -> str:
    try:
        return version("nectar")
    except PackageNotFoundError:
        return "unknown"


class BadTape(ValueError):
    """No tape; the text names the file, what was expected and what to try."""


@attrs.frozen
class Tape:
    """`test` is a name for `runtime.sim.named_tests`; `verdict` and `violation` say how the run ended, in words.
    `faults` and `until` are what was asked of the run beside what the test itself says (`runtime.sim.subject`).
    """

    test: str
    seed: int
    choices: tuple[Choice, ...]
    verdict: str = ""
    violation: str = ""
    digest: str = ""
    python: str = attrs.field(factory=platform.python_version)
    trio: str = trio.__version__
    nectar: str = attrs.field(factory=_nectar_version)
    faults: str = ""
    until: float | None = None

    def versions_differ(self) -> list[str]:
        """What runs here and is not what the tape was made with: a reason for a replay to part from it."""
        here = Tape("", 0, ())
        pairs = (
            ("Python", self.python, here.python),
            ("trio", self.trio, here.trio),
            ("Nectar", self.nectar, here.nectar),
        )
        return [f"{name} {then}, now {now}" for name, then, now in pairs if then != now]


@attrs.frozen
class _Values:
    """`values` are those of all choices of this label and n, in order."""

    label: str
    n: int
    values: str


@attrs.frozen
class _File:
    nectar_tape: int
    test: str
    seed: int
    verdict: str
    violation: str
    digest: str
    python: str
    trio: str
    nectar: str
    labels: list[_Values]
    order: str
    faults: str = attrs.field(default="", metadata={"omit_default": True})
    until: float | None = attrs.field(default=None, metadata={"omit_default": True})


_FILE: Shape[_File] = Shape(_File)


# -- out


def write_tape(path: Path, tape: Tape) -> None:
    path.write_text(tape_text(tape), encoding="utf-8")


def tape_text(tape: Tape) -> str:
    """JSON, one value a line."""
    places: dict[tuple[str, int], int] = {}
    streams: list[list[int]] = []
    order = bytearray()
    for choice in tape.choices:
        place = places.setdefault((choice.label, choice.n), len(places))
        if place == len(streams):
            streams.append([])
        streams[place].append(choice.value)
        order += place.to_bytes(_PLACE_BYTES, "big")
    labels = [_Values(label, n, _runs(stream)) for (label, n), stream in zip(places, streams, strict=True)]
    packed = base64.b85encode(zlib.compress(bytes(order), 9)).decode()
    file = _File(
        FORMAT,
        tape.test,
        tape.seed,
        tape.verdict,
        tape.violation.encode("utf-8", "backslashreplace").decode(),
        tape.digest,
        tape.python,
        tape.trio,
        tape.nectar,
        labels,
        packed,
        tape.faults,
        tape.until,
    )
    return json.dumps(_FILE.dump(file), indent=1, ensure_ascii=False) + "\n"


def _runs(values: Sequence[int]) -> str:
    words = []
    for value, same in groupby(values):
        count = sum(1 for _ in same)
        words.append(f"{value}*{count}" if count > 1 else str(value))
    return " ".join(words)


# -- in


def read_tape(path: Path) -> Tape:
    """Raises `BadTape`, and OSError."""
    return parse_tape(path.read_bytes(), str(path))


def parse_tape(text: bytes | str, name: str = "the tape") -> Tape:
    """`name` is for errors. Raises `BadTape`."""
    raw = text.encode() if isinstance(text, str) else text
    try:
        file = _FILE.decode(raw)
    except Malformed as error:
        raise BadTape(f"{name}: {_what_it_is(raw, str(error))}") from None
    if file.nectar_tape != FORMAT:
        raise BadTape(f"{name}: a tape of format {file.nectar_tape}, this Nectar reads {FORMAT}")
    choices = tuple(_choices(name, file))
    return Tape(
        file.test,
        file.seed,
        choices,
        file.verdict,
        file.violation,
        file.digest,
        file.python,
        file.trio,
        file.nectar,
        file.faults,
        file.until,
    )


def _what_it_is(raw: bytes, problem: str) -> str:
    """The problem, unless it is something else altogether."""
    try:
        first = parse(raw.partition(b"\n")[0])
    except ValueError:
        first = None
    if isinstance(first, dict) and "nectar_log" in first:
        return "a log, not a tape; `nectar sim diff` and `nectar sim draw` read it"
    return f"not a tape, {problem}; `nectar sim run` writes one next to the report of a failure"


def _choices(name: str, file: _File) -> Iterator[Choice]:
    streams = [list(_values(name, label)) for label in file.labels]
    total = sum(len(stream) for stream in streams)
    if total > MOST_CHOICES:
        raise BadTape(f"{name}: {total} choices, {MOST_CHOICES} at most")
    order = _unpack(name, file.order, total)
    places = [iter(stream) for stream in streams]
    for start in range(0, len(order), _PLACE_BYTES):
        place = int.from_bytes(order[start : start + _PLACE_BYTES], "big")
        value = next(places[place], None) if place < len(places) else None
        if value is None:
            raise BadTape(
                f"{name}: choice {start // _PLACE_BYTES} is of label {place}, which has no value left; "
                "an edited tape keeps the number of values of each label"
            )
        yield Choice(file.labels[place].label, file.labels[place].n, value)


def _values(name: str, label: _Values) -> Iterator[int]:
    left = MOST_CHOICES
    for word in label.values.split():
        found = _RUN.fullmatch(word)
        if found is None:
            raise BadTape(
                f"{name}: values of {label.label!r}: expected a number or `number*times`, got {word!r}"
            )
        value, times = int(found[1]), int(found[2] or 1)
        if value >= label.n:
            raise BadTape(f"{name}: values of {label.label!r}: {value} is not below its bound {label.n}")
        left -= times
        if left < 0:
            raise BadTape(f"{name}: values of {label.label!r}: more than {MOST_CHOICES}")
        for _ in range(times):
            yield value


def _unpack(name: str, packed: str, total: int) -> bytes:
    size = total * _PLACE_BYTES
    try:
        unpacker = zlib.decompressobj()
        order = unpacker.decompress(base64.b85decode(packed), size + 1)
    except (ValueError, zlib.error) as error:
        raise BadTape(f"{name}: its order does not unpack: {error}") from None
    if len(order) != size or not unpacker.eof:
        raise BadTape(
            f"{name}: its order is not that of its {total} values; "
            "an edited tape keeps the number of values of each label"
        )
    return order
