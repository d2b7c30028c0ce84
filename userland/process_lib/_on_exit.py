"""What happens when this process ends (PROTOCOL 2.6, 4.7, 5.5)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import attrs

from kernel.message import OnExit as RawOnExit
from kernel.message import OnExitKind
from kernel.syscalls import current
from userland.process_lib._aliases import add_aliases
from userland.process_lib._outgoing import Entry, exit_request


@attrs.frozen
class OnExit(RawOnExit):
    """`OnExit.none()`, `.restart()`, `.requests([...])`, with `get()` and `set()` for our own policy.

    An entry is a `Request` builder with a target, or `(target, request, payload or None)`, where the request is a
    builder or a `wit.Request`; no answer to it is expected.
    """

    @classmethod
    def none(cls) -> OnExit:
        return OnExit(OnExitKind.NONE)

    @classmethod
    def restart(cls) -> OnExit:
        return OnExit(OnExitKind.RESTART)

    @classmethod
    def requests(cls, entries: Iterable[Entry]) -> OnExit:
        """Raises `BuildError` for a builder without target or ipc, TypeError for what is no entry."""
        return OnExit(OnExitKind.REQUESTS, tuple(exit_request(e) for e in entries))

    def add_request(self, entry: Entry) -> OnExit:
        """A new value with the entry added. Raises ValueError unless this is `requests`."""
        return OnExit(self.kind, RawOnExit(self.kind, self.entries).add_request(exit_request(entry)).entries)

    @classmethod
    def get(cls) -> OnExit:
        """Our own policy."""
        found = current().get_on_exit()
        return OnExit(found.kind, found.entries)

    def set(self) -> None:
        """Make this our own policy. It is kept across restarts of the node."""
        current().set_on_exit(raw_on_exit(self))


def raw_on_exit(on_exit: RawOnExit | str | None) -> RawOnExit:
    """The kernel's own value, which is equal to others of its class only. "None" and "Restart" are E1's words."""
    if isinstance(on_exit, RawOnExit):
        return RawOnExit(on_exit.kind, tuple(exit_request(each) for each in on_exit.entries))
    if on_exit in (OnExitKind.NONE, OnExitKind.RESTART):
        return RawOnExit(OnExitKind(on_exit))
    raise TypeError(
        f"an on-exit policy is OnExit.none(), OnExit.restart() or OnExit.requests([...]); got {on_exit!r}"
    )


def get_on_exit() -> OnExit:
    return OnExit.get()


def set_on_exit(on_exit: RawOnExit | str) -> None:
    """Make `on_exit` our own policy. It is kept across restarts of the node."""
    current().set_on_exit(raw_on_exit(on_exit))


if TYPE_CHECKING:
    get_on_panic = get_on_exit
    set_on_panic = set_on_exit
else:
    add_aliases(globals())
