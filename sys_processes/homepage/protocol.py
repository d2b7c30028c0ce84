"""What `homepage:homepage:nectar` is asked and answers (PROTOCOL 8.3), and what may stand on the start page."""

from __future__ import annotations

import re
from typing import TypeAlias
from urllib.parse import unquote

import attrs

from kernel.address import ProcessId
from kernel.codec import OK, U32, Err, Shape, newtype, struct, unit

HOMEPAGE = ProcessId("homepage", "homepage", "nectar")

MAX_LABEL = 100
MAX_PATH = 1024
MAX_ICON = 128 * 1024
MAX_WIDGET = 64 * 1024
MAX_STYLESHEET = 64 * 1024

# A picture in an <img> runs no script, not even an SVG.
_ICON = re.compile(r"data:image/(?:png|jpeg|gif|webp|svg\+xml)(?:;[A-Za-z0-9=-]+)*,[!-~]*")
_PATH = re.compile(r"[!-~]*")
# Control characters, and those that turn the direction of what follows.
_UNSHOWN = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


@struct
@attrs.frozen
class Add:
    """Show the sender on the start page, in place of what it added before. `path` is below its process id."""

    label: str
    icon: str | None = None
    path: str | None = None
    widget: str | None = None


@unit
@attrs.frozen
class Remove:
    """The sender's entry. None is no error."""


@newtype
@attrs.frozen
class RemoveOther:
    """Wants the capability (homepage, `"RemoveOther"`)."""

    process: ProcessId


@unit
@attrs.frozen
class GetApps:
    pass


@newtype
@attrs.frozen
class SetStylesheet:
    """More rules for the start page and /nectar.css. Wants the capability (homepage, `"SetStylesheet"`)."""

    stylesheet: str


HomepageRequest: TypeAlias = Add | Remove | RemoveOther | GetApps | SetStylesheet
HOMEPAGE_REQUEST: Shape[HomepageRequest] = Shape(HomepageRequest)

MAY_REMOVE_OTHER = '"RemoveOther"'
MAY_SET_STYLESHEET = '"SetStylesheet"'


@attrs.frozen
class AppEntry:
    """One app of the start page. Without a `path` it has nothing to open."""

    id: ProcessId
    process: str
    package_name: str
    publisher: str
    path: str | None
    label: str
    base64_icon: str
    widget: str | None
    order: U32
    favorite: bool

    @property
    def has_tile(self) -> bool:
        """A widget that opens nothing stands among the widgets alone."""
        return self.path is not None or self.widget is None


@newtype("GetApps")
@attrs.frozen
class AppsAre:
    """In the order of the start page."""

    apps: tuple[AppEntry, ...]


@struct
@attrs.frozen
class BadRequest:
    """It cannot be read, or may not stand on the page."""

    error: str


@struct
@attrs.frozen
class NotAllowed:
    error: str


@struct
@attrs.frozen
class NoRoom:
    error: str


@struct
@attrs.frozen
class NotKept:
    """The node's store failed; nothing was changed."""

    error: str


HomepageError: TypeAlias = BadRequest | NotAllowed | NoRoom | NotKept
HomepageResponse: TypeAlias = AppsAre | Err[HomepageError]
HOMEPAGE_RESPONSE: Shape[HomepageResponse] = Shape(HomepageResponse)
APP_LIST: Shape[tuple[AppEntry, ...]] = Shape(tuple[AppEntry, ...])
"""What `GET /apps` answers."""

DONE = OK


def check_add(add: Add) -> Add:
    """As it is shown: the label in one line. ValueError says what may not stand on the page, and what may."""
    label = " ".join(_UNSHOWN.sub(" ", add.label).split())
    if not any(map(str.isprintable, label.replace(" ", ""))):
        raise ValueError(f"label {add.label[:MAX_LABEL]!r} shows nothing; write the app's name")
    for what, text, most in (
        ("label", label, MAX_LABEL),
        ("path", add.path, MAX_PATH),
        ("icon", add.icon, MAX_ICON),
        ("widget", add.widget, MAX_WIDGET),
    ):
        if text is not None and len(text) > most:
            raise ValueError(f"{what} has {len(text)} characters, at most {most} are taken")
    if add.icon and _ICON.fullmatch(add.icon) is None:
        raise ValueError(
            f"icon {add.icon[:60]!r} is no picture; it takes data:image/png;base64,.. (or jpeg, gif, webp, svg+xml)"
        )
    if add.path is not None and not _stays_below(add.path):
        raise ValueError(
            f"path {add.path[:100]!r} is no place below your process id; write it percent-encoded, without '..'"
        )
    return attrs.evolve(add, label=label)


def _stays_below(path: str) -> bool:
    # A browser also follows "%2e%2e" upwards, and reads a backslash as a slash.
    steps = re.split(r"[?#]", path, maxsplit=1)[0].split("/")
    return _PATH.fullmatch(path) is not None and "\\" not in path and not {".", ".."} & {*map(unquote, steps)}


def check_stylesheet(text: str) -> str:
    """ValueError for one that is too long, or that would end the page's style."""
    if len(text) > MAX_STYLESHEET:
        raise ValueError(f"the stylesheet has {len(text)} characters, at most {MAX_STYLESHEET} are taken")
    if "</" in text or "<!--" in text or "\0" in text:
        raise ValueError("the stylesheet contains '</', '<!--' or NUL; write '\\3C' for '<'")
    return text
