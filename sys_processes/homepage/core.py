"""What stands on the start page and in which order (PROTOCOL 8.3). Entries live as long as their process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import parse_qsl

import attrs

from kernel.address import ProcessId, ProcessIdParseError
from kernel.codec import U32, Malformed, Shape
from sys_processes.homepage.protocol import Add, AppEntry

MAX_APPS: Final = 500
MAX_WIDGETS: Final = 16
MAX_SIZE: Final = 4 * 1024 * 1024
"""Characters of all icons and widgets: whoever adds many, the page still reaches a phone."""
MAX_REMEMBERED: Final = 1000
_HIGHEST: Final = 2**32 - 1


# -- what is kept over restarts


@attrs.frozen
class Kept:
    """What the node's owner chose. `set_aside` is what stood in its place and could not be read."""

    favorites: tuple[str, ...] = ()
    order: dict[str, U32] = attrs.Factory(dict)
    stylesheet: str = ""
    set_aside: str | None = None


KEPT: Shape[Kept] = Shape(Kept)


def read_kept(raw: bytes | None) -> tuple[Kept, Malformed | None]:
    """What cannot be read is set aside, with the reason, and the rest starts anew."""
    if raw is None:
        return Kept(), None
    try:
        return KEPT.decode(raw), None
    except Malformed as error:
        return Kept(set_aside=raw.decode("utf-8", "replace")), error


# -- what is shown


class Apps:
    """The entries, by process."""

    def __init__(self) -> None:
        self._added: dict[ProcessId, Add] = {}
        self._removed: dict[ProcessId, None] = {}
        self.kept = Kept()

    def add(self, process: ProcessId, add: Add) -> str | None:
        """`add` is checked already. What speaks against it, or None."""
        others = [entry for other, entry in self._added.items() if other != process]
        if len(others) >= MAX_APPS:
            return f"the start page has {MAX_APPS} apps, which is the most"
        if add.widget is not None and sum(entry.widget is not None for entry in others) >= MAX_WIDGETS:
            return f"the start page has {MAX_WIDGETS} widgets, which is the most"
        if sum(map(_size, others)) + _size(add) > MAX_SIZE:
            return f"the icons and widgets of the start page may have {MAX_SIZE} characters in all"
        self._added[process] = add
        self._removed.pop(process, None)
        return None

    def remove(self, process: ProcessId) -> None:
        """Also from those that are listed for their bound root alone, until the process ends."""
        self._added.pop(process, None)
        self._removed[process] = None

    def gone(self, process: ProcessId) -> None:
        """The process has ended. It adds itself again when it starts again."""
        self._added.pop(process, None)
        self._removed.pop(process, None)

    def processes(self) -> list[ProcessId]:
        """Of which something is known."""
        return [*self._added, *self._removed]

    def listed(self, roots: Sequence[ProcessId]) -> tuple[AppEntry, ...]:
        """Those that were added, and those that serve their root: favorites first, then by order, then by label."""
        plain = {root: Add(_plain_label(root)) for root in roots if root not in self._removed}
        order = self.kept.order
        last = min(max(order.values(), default=-1) + 1, _HIGHEST)
        entries = [
            _entry(process, add, process in plain, self.kept, last)
            for process, add in (plain | self._added).items()
        ]
        return tuple(sorted(entries, key=_rank))


def _size(add: Add) -> int:
    return len(add.icon or "") + len(add.widget or "")


def _plain_label(process: ProcessId) -> str:
    return process.package if process.process == "main" else process.process


def _entry(process: ProcessId, add: Add, has_root: bool, kept: Kept, last: int) -> AppEntry:
    text = str(process)
    path = "" if add.path is None and has_root else add.path
    return AppEntry(
        process,
        process.process,
        process.package,
        process.publisher,
        None if path is None else f"/{text}/{path.removeprefix('/')}",
        add.label,
        add.icon or "",
        add.widget,
        kept.order.get(text, last),
        text in kept.favorites,
    )


def _rank(entry: AppEntry) -> tuple[bool, int, str, ProcessId]:
    return not entry.favorite, entry.order, entry.label.casefold(), entry.id


# -- what the owner changes; what is not listed is left alone


def with_favorite(kept: Kept, listed: Sequence[AppEntry], app: str, favorite: bool) -> Kept:
    others = tuple(other for other in kept.favorites if other != app)
    if not favorite or app not in _ids(listed):
        return attrs.evolve(kept, favorites=others if not favorite else kept.favorites)
    return attrs.evolve(kept, favorites=(*others, app)[-MAX_REMEMBERED:])


def with_order(kept: Kept, listed: Sequence[AppEntry], order: Mapping[str, int]) -> Kept:
    """Those that are not in `order` keep their place."""
    ids = _ids(listed)
    new = {app: place for app, place in order.items() if app in ids}
    old = {app: place for app, place in kept.order.items() if app not in new}
    room = max(MAX_REMEMBERED - len(new), 0)
    return attrs.evolve(kept, order=dict([*old.items()][:room]) | new)


def moved(kept: Kept, listed: Sequence[AppEntry], app: str, *, up: bool) -> Kept:
    """One place up or down among the tiles of the favorites, or of the others."""
    ids = _ids(listed)
    tiles = [place for place, entry in enumerate(listed) if entry.has_tile]
    row = next((n for n, place in enumerate(tiles) if ids[place] == app), None)
    if row is None:
        return kept
    other = row - 1 if up else row + 1
    if not 0 <= other < len(tiles):
        return kept
    here, there = tiles[row], tiles[other]
    if listed[here].favorite != listed[there].favorite:
        return kept
    ids[here], ids[there] = ids[there], ids[here]
    return with_order(kept, listed, {each: place for place, each in enumerate(ids)})


def forgotten(kept: Kept, app: str) -> Kept:
    """Of an app that was uninstalled nothing stays."""
    favorites = tuple(other for other in kept.favorites if other != app)
    order = {other: place for other, place in kept.order.items() if other != app}
    return attrs.evolve(kept, favorites=favorites, order=order)


def _ids(listed: Sequence[AppEntry]) -> list[str]:
    return [str(entry.id) for entry in listed]


# -- what the page's forms and the programs of later eras post


@attrs.frozen
class SetFavorite:
    app: str
    favorite: bool


@attrs.frozen
class SetOrder:
    order: dict[str, int]


@attrs.frozen
class Move:
    app: str
    up: bool


Change = SetFavorite | SetOrder | Move

_FAVORITE: Shape[tuple[str, bool]] = Shape(tuple[str, bool])
_ORDER: Shape[list[tuple[str, U32]]] = Shape(list[tuple[str, U32]])


def is_form(body: bytes) -> bool:
    """Of the page; programs post a JSON array, under any content type."""
    return not body.lstrip().startswith(b"[")


def read_favorite(body: bytes) -> SetFavorite:
    """`["chess:chess:nectar",true]`, or the page's form. Raises `Malformed`."""
    if not is_form(body):
        return SetFavorite(*_FAVORITE.decode(body))
    fields = _read_form(body)
    return SetFavorite(_app(fields), fields.get("favorite") == "true")


def read_order(body: bytes) -> SetOrder | Move:
    """`[["chess:chess:nectar",0]]`, or the page's form, which moves one app. Raises `Malformed`."""
    if not is_form(body):
        return SetOrder(dict(_ORDER.decode(body)))
    fields = _read_form(body)
    if fields.get("move") not in {"up", "down"}:
        raise Malformed("move", f"expected up or down, found {fields.get('move')!r}")
    return Move(_app(fields), fields["move"] == "up")


def _read_form(body: bytes) -> dict[str, str]:
    try:
        return dict(parse_qsl(body.decode("ascii"), errors="strict", max_num_fields=10))
    except ValueError as error:
        raise Malformed("$", f"not a form: {error}") from None


def _app(fields: Mapping[str, str]) -> str:
    try:
        return str(ProcessId.from_str(fields.get("id", "")))
    except ProcessIdParseError as error:
        raise Malformed("id", str(error)) from None


def changed(kept: Kept, listed: Sequence[AppEntry], change: Change) -> Kept:
    match change:
        case SetFavorite(app, favorite):
            return with_favorite(kept, listed, app, favorite)
        case SetOrder(order):
            return with_order(kept, listed, order)
        case Move(app, up):
            return moved(kept, listed, app, up=up)
