"""Single-stepping: what user processes are sent and what they answer waits until a person lets it go on
(docs/terminal.md, "Step by step").

Messages to modules of the node and their answers are not held, so that the node itself goes on, and whoever steps.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from kernel.events import EventKind
from kernel.message import KernelMessage, Reason, Request, SendErrorKind, size_of
from kernel.refusals import Refusal

if TYPE_CHECKING:
    from kernel.address import ProcessId
    from kernel.process import OpenRequest, Process
    from kernel.router import Router

MOST_MESSAGES = 10_000
MOST_BYTES = 64 * 1024 * 1024
_HELD_UP = Refusal(
    SendErrorKind.Timeout,
    Reason.mailbox_full,
    f"single-stepping holds {MOST_MESSAGES} messages, or {MOST_BYTES} bytes: `step off` in `nectar terminal` ends it",
)


class Stepping:
    """The messages that are held, in the order in which they were sent. Their deadlines run on."""

    def __init__(self, router: Router) -> None:
        self._router = router
        self._held: deque[tuple[KernelMessage, int, Callable[[], None]]] = deque()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._held)

    def next(self, count: int) -> list[KernelMessage]:
        """Those that go on next, the first one first."""
        return [envelope for envelope, _, _ in islice(self._held, count)]

    def step(self, count: int) -> list[KernelMessage]:
        """Let so many go on, as if they were sent now, their rights as they were when they were sent."""
        gone: list[KernelMessage] = []
        router = self._router
        stepping, router.stepping = router.stepping, None
        try:
            while self._held and len(gone) < count:
                envelope, size, go_on = self._held.popleft()
                self._bytes -= size
                gone.append(envelope)
                go_on()
        finally:
            router.stepping = stepping
        return gone

    # -- what the router hands over

    def hold_request(
        self, sender: Process, receiver: Process, envelope: KernelMessage, entry: OpenRequest | None
    ) -> Refusal | None:
        """One that its receiver would get now."""
        return self._hold(envelope, receiver.pid, partial(self._deliver, sender, envelope, entry))

    def hold_remote(self, receiver: Process, envelope: KernelMessage) -> Refusal | None:
        """The same, from another node."""
        return self._hold(envelope, receiver.pid, partial(self._deliver_remote, envelope))

    def hold_response(self, owner: ProcessId, envelope: KernelMessage) -> None:
        """An answer to a process of this node."""
        refusal = self._hold(envelope, owner, partial(self._router.answer, envelope))
        if refusal is not None:
            # Nobody can be told of a response that is lost, so none is.
            self._router.answer(envelope)

    def _hold(self, envelope: KernelMessage, to: ProcessId, go_on: Callable[[], None]) -> Refusal | None:
        size = size_of(envelope)
        if len(self._held) >= MOST_MESSAGES or self._bytes + size > MOST_BYTES:
            return _HELD_UP
        self._held.append((envelope, size, go_on))
        self._bytes += size
        self._router.owe_to_nobody(envelope)
        self._router.notify(EventKind.HELD, to, envelope)
        return None

    # -- their time has come

    def _deliver(self, sender: Process, envelope: KernelMessage, entry: OpenRequest | None) -> None:
        router = self._router
        open_entry = entry if entry is not None and not entry.settled else None
        receiver = router.find(envelope.target.process)
        refusal = router.deliver(sender, receiver, envelope, open_entry, privileged=True)
        if refusal is None:
            return
        request = envelope.message
        if open_entry is None and isinstance(request, Request) and request.expects_response is not None:
            # Its sender had its one outcome.
            if envelope.window is not None:
                envelope.window.taken()
            router.bury(envelope.target.process, envelope, refusal.detail)
        else:
            router.refuse(sender, envelope, open_entry, refusal)

    def _deliver_remote(self, envelope: KernelMessage) -> None:
        refusal = self._router.deliver_remote(envelope)
        if refusal is not None:
            self._router.bury(envelope.target.process, envelope, refusal.detail)


def turn_on(router: Router) -> None:
    if router.stepping is None:
        router.stepping = Stepping(router)


def turn_off(router: Router) -> list[KernelMessage]:
    """What was held goes on, all of it."""
    stepping, router.stepping = router.stepping, None
    return [] if stepping is None else stepping.step(len(stepping))
