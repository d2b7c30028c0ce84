"""A place on the start page (PROTOCOL 8.3): what a process says to `homepage:homepage:nectar`.

The entry goes when the process ends, so a process adds itself each time it starts.
"""

from __future__ import annotations

from kernel.address import Address
from kernel.syscalls import current
from sys_processes.homepage.protocol import (
    HOMEPAGE,
    HOMEPAGE_REQUEST,
    Add,
    HomepageRequest,
    Remove,
    check_add,
)
from userland.process_lib._builders import Request

__all__ = ["add_to_homepage", "remove_from_homepage"]


def _tell(request: HomepageRequest) -> None:
    target = Address(current().our.node, HOMEPAGE)
    Request().target(target).ipc(HOMEPAGE_REQUEST.encode(request)).send()


def _text(name: str, value: str | None) -> str | None:
    if value is not None and not isinstance(value, str):
        raise TypeError(f"{name} is text, got {value!r}")
    return value


def add_to_homepage(
    label: str, icon: str | None = None, path: str | None = None, widget: str | None = None
) -> None:
    """Show this process on the start page, in place of what it showed before.

    `icon` is a `data:image/..` URL of at most 128 KiB. `path` is what opens, below our process id; without one it is
    our root, if that is bound. `widget` is HTML of at most 64 KiB that is shown in a frame where nothing of it runs.
    ValueError for what may not stand there.
    """
    if not isinstance(label, str):
        raise TypeError(f"label is text, got {label!r}")
    _tell(check_add(Add(label, _text("icon", icon), _text("path", path), _text("widget", widget))))


def remove_from_homepage() -> None:
    """Until we end or add ourselves again, we are not on the start page, not even for our bound root."""
    _tell(Remove())
