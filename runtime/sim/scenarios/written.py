"""A scenario as text: as it was read, but with the faults that happened in a run, each at its exact time."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from itertools import pairwise
from math import inf
from pathlib import Path

from runtime.sim.scenarios.faults import as_table
from runtime.sim.storm import Fault
from runtime.sim.trace import Entry, WorldKind

_PHASE = re.compile(r"phase \d+: ")
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]+")

Tables = dict[str, object]


def explicit(tables: Tables, faults: Sequence[Fault], entries: Sequence[Entry]) -> Tables:
    """The same scenario in which exactly these faults happen, and every other choice is harmless. `entries` are those
    of the run, which tell when its phases began.
    """
    found = deepcopy(tables)
    world = found.setdefault("world", {})
    assert isinstance(world, dict)
    world |= {"choices": "harmless", "faults": "none"}
    phases = found["phase"]
    assert isinstance(phases, list)
    begins = [entry.at for entry in entries if entry.kind is WorldKind.SPOKE and _PHASE.match(entry.note)]
    for phase, (began, ended) in zip(phases, pairwise([*begins, inf]), strict=False):
        # Of what began before the first phase, during the boot of the nodes, the first phase has to do.
        since = 0.0 if began == begins[0] else began
        phase["fault"] = [as_table(one, began, ended) for one in faults if since <= one.began < ended]
    for phase in phases[len(begins) :]:
        phase["fault"] = []
    return found


def moved(tables: Tables, old: Path, new: Path) -> Tables:
    """For a file in another folder: the folders of apps are found from there, too."""
    found = deepcopy(tables)
    nodes = found["node"]
    assert isinstance(nodes, list)
    for node in nodes:
        apps = node.get("apps", [])
        node["apps"] = [_moved(app, old, new) for app in ([apps] if isinstance(apps, str) else apps)]
    return found


def _moved(app: str, old: Path, new: Path) -> str:
    path = old / app
    return Path(os.path.relpath(path.resolve(), new.resolve())).as_posix() if path.is_dir() else app


# -- TOML


def toml_text(tables: Mapping[str, object], comment: Sequence[str] = ()) -> str:
    """Of tables, lists of tables, texts, numbers, truth values and lists of those."""
    lines = [f"# {line}".rstrip() for line in comment]
    return "\n".join([*lines, *_table("", tables)]).strip() + "\n"


def _table(path: str, table: Mapping[str, object]) -> Iterator[str]:
    for key, value in table.items():
        if not _has_header(path, value):
            yield f"{_key(key)} = {_value(value)}"
    for key, value in table.items():
        name = f"{path}.{_key(key)}" if path else _key(key)
        if isinstance(value, dict) and _has_header(path, value):
            yield from ("", f"[{name}]")
            yield from _table(name, value)
        elif isinstance(value, list) and _has_header(path, value):
            for one in value:
                yield from ("", f"[[{name}]]")
                yield from _table(name, one)


def _has_header(path: str, value: object) -> bool:
    """Whether it stands under a head of its own. A table within an entry reads best in one line."""
    if isinstance(value, dict):
        return not path
    return isinstance(value, list) and bool(value) and all(isinstance(one, dict) for one in value)


def _key(key: str) -> str:
    return key if _PLAIN_KEY.fullmatch(key) else _text(key)


def _value(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return repr(value)
        case str():
            return _text(value)
        case list():
            return f"[{', '.join(_value(one) for one in value)}]"
        case dict():
            return f"{{ {', '.join(f'{_key(key)} = {_value(one)}' for key, one in value.items())} }}"
    raise TypeError(f"{value!r} has no place in a scenario")


def _text(text: str) -> str:
    """A basic string of TOML is one of JSON, but for the character that JSON leaves as it is."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
