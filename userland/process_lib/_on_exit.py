"""What happens when this process ends (PROTOCOL 2.6, 4.7, 5.5)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeAlias

import attrs

from kernel.message import ExitRequest, OnExitKind
from kernel.message import OnExit as RawOnExit
from kernel.syscalls import current
from userland.process_lib._aliases import add_aliases
from userland.process_lib._builders import Request

Entry: TypeAlias = ExitRequest | Request


def _entry(entry: Entry) -> ExitRequest:
    if isinstance(entry, Request):
        target, request, _, payload = entry.build()
        return target, request, payload
    return entry


@attrs.frozen
class OnExit(RawOnExit):
    """`OnExit.none()`, `.restart()`, `.requests([...])`, with `get()` and `set()` for our own policy.

    An entry is a `Request` builder or `(address, wit.Request, payload or None)`; no answer to it is expected.
    """

    @classmethod
    def none(cls) -> OnExit:
        return OnExit(OnExitKind.NONE)

    @classmethod
    def restart(cls) -> OnExit:
        return OnExit(OnExitKind.RESTART)

    @classmethod
    def requests(cls, entries: Iterable[Entry]) -> OnExit:
        """Raises `BuildError` for a builder without target or ipc."""
        return OnExit(OnExitKind.REQUESTS, tuple(_entry(e) for e in entries))

    def add_request(self, entry: Entry) -> OnExit:
        """A new value with the entry added. Raises ValueError unless this is `requests`."""
        return OnExit(self.kind, RawOnExit(self.kind, self.entries).add_request(_entry(entry)).entries)

    @classmethod
    def get(cls) -> OnExit:
        """Our own policy."""
        found = current().get_on_exit()
        return OnExit(found.kind, found.entries)

    def set(self) -> None:
        """Make this our own policy. It is kept across restarts of the node."""
        current().set_on_exit(raw_on_exit(self))


def raw_on_exit(on_exit: RawOnExit) -> RawOnExit:
    """The kernel's own value, which is equal to others of its class only."""
    return RawOnExit(on_exit.kind, on_exit.entries)


def get_on_exit() -> OnExit:
    return OnExit.get()


def set_on_exit(on_exit: RawOnExit) -> None:
    current().set_on_exit(raw_on_exit(on_exit))


if TYPE_CHECKING:
    get_on_panic = get_on_exit
    set_on_panic = set_on_exit
else:
    add_aliases(globals())
