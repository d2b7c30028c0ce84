"""A kernel that a record is played on: the real one, with mailboxes from which the recorded message is taken, ids as
recorded, and no clock of its own.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol

import trio

from kernel.address import Address, ProcessId
from kernel.exit_notices import ExitNotices
from kernel.grants import Grants
from kernel.kernel import Kernel, Ports
from kernel.lifecycle import Lifecycle
from kernel.mailbox import Item, Limits, Mailbox
from kernel.message import KernelMessage, Reason, Response, SendErrorKind, size_of
from kernel.message_ids import MessageIds
from kernel.process import Process
from kernel.refusals import Refusal
from kernel.router import Router


class Script(Protocol):
    """What the record says of the calling task's next step."""

    def next_taken(self) -> int | None:
        """The id of the message that it takes at once, if it takes one."""

    def next_id(self) -> int:
        """Of the Request that it sends."""


def id_of(item: Item) -> int:
    return item.id if isinstance(item, KernelMessage) else item.error.message.id


class PlayedMailbox(Mailbox):
    """Gives out what the record says, when it says so."""

    __slots__ = ("_script",)

    def __init__(self, limits: Limits, script: Script) -> None:
        super().__init__(limits)
        self._script = script

    def take_nowait(self) -> Item | None:
        number = self._script.next_taken()
        return None if number is None else self.remove(number)

    async def take(self) -> Item:
        """Its time has come: the record goes on with this message."""
        number = self._script.next_taken()
        found = None if number is None else self.remove(number)
        assert found is not None, "the record has it taken here"
        return found

    def remove(self, number: int) -> Item | None:
        """The oldest with this id."""
        queue: deque[Item] = self._queue or deque()
        for place, item in enumerate(queue):
            if id_of(item) == number:
                del queue[place]
                self._bytes -= item.size
                return item
        return None


class PlayedIds(MessageIds):
    __slots__ = ("_script",)

    def __init__(self, script: Script) -> None:
        super().__init__(lambda _label, _bits: 0, ())
        self._script = script

    def take(self) -> int:
        return self._script.next_id()


class PlayedRouter(Router):
    """Takes what modules and other nodes did from the record."""

    def bring_request(self, envelope: KernelMessage) -> None:
        """A Request from outside, into the mailbox of its target."""
        receiver = self.processes.get(envelope.target.process)
        envelope.size = size_of(envelope)
        if receiver is not None:
            sender = self.processes.get(envelope.source.process, receiver)
            self.deliver(sender, receiver, envelope, None, privileged=True)

    def bring_response(self, envelope: KernelMessage) -> None:
        """A Response from outside."""
        assert isinstance(envelope.message, Response)
        self.answer(envelope)

    def give_up(
        self,
        owner: ProcessId,
        envelope: KernelMessage | None,
        refusal: Refusal,
        number: int,
        *,
        definite: bool,
    ) -> None:
        """A message of `owner` comes back, unless it did already. `envelope` is that of one that was in a module."""
        entry = self.open.get(number)
        if entry is not None and entry.owner.pid == owner:
            self._fail(entry, refusal, definite=definite)
        elif envelope is not None:
            self._come_back(envelope, refusal, definite=definite)

    def expire(self, number: int) -> None:
        """The deadline of an open Request."""
        entry = self.open.get(number)
        if entry is not None:
            entry.settled = True
            entry.fire()

    def drop(self, number: int) -> None:
        """Who waited for the answer was cancelled."""
        entry = self.open.get(number)
        if entry is not None:
            self.forget(entry)


class PlayedNotices(ExitNotices):
    """The notices themselves are in the record, as all that comes from outside of the packages."""

    def send(self, hearer: Process, ipc: bytes) -> None:
        pass


class PlayedKernel(Kernel):
    """`run` it; deadlines do not fire by themselves."""

    def __init__(self, node: str, ports: Ports, script: Script) -> None:
        super().__init__(node, ports)
        self.played = PlayedRouter(node, chance=ports.chance, console=ports.console, keys=ports.keys)
        self.played.ids = PlayedIds(script)
        self.router = self.played
        self.grants = Grants(self.router, self.records)
        self.lifecycle = Lifecycle(self.router, self.records, self.grants, self._make_host)
        self.lifecycle.notices = PlayedNotices(self.router)
        self._script = script

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        async with trio.open_nursery() as nursery:
            self.lifecycle.attach(nursery)
            task_status.started()
            await trio.sleep_forever()

    def play_mailbox(self, pid: ProcessId) -> None:
        """Of a process that was just made."""
        process = self.router.processes[pid]
        if not isinstance(process.mailbox, PlayedMailbox):
            process.mailbox = PlayedMailbox(process.mailbox.limits, self._script)

    def mailbox(self, pid: ProcessId) -> PlayedMailbox | None:
        process = self.router.processes.get(pid)
        if process is None:
            return None
        assert isinstance(process.mailbox, PlayedMailbox)
        return process.mailbox


def refusal_of(kind: str, reason: str, detail: str) -> Refusal:
    return Refusal(SendErrorKind(kind), Reason(reason), detail)


async def stand_in(our: Address) -> None:
    """The `init` of a module: what it does is in the record."""
    await trio.sleep_forever()
