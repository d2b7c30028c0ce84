"""What PROTOCOL 3 and docs/processes.md say of messages between processes, as plain tables: no kernel, no trio.

Ids are tokens: 1, 2, 3 ... in the order in which fresh ones are needed.
"""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from tests.kernel.backoff_model import waits

ROOM = 5
"""Messages that a mailbox holds here."""


@attrs.define(eq=False)
class Asked:
    """A Request on its way or in a mailbox."""

    token: int
    source: str
    target: str
    rsvp: str | None
    expects: int | None
    ipc: bytes
    payload: bytes | None
    responded: bool = False


@attrs.frozen
class Answered:
    token: int
    source: str
    ipc: bytes
    payload: bytes | None
    context: bytes | None
    entry: Open = attrs.field(eq=False, repr=False)


@attrs.frozen
class Failed:
    token: int
    target: str
    ipc: bytes
    payload: bytes | None
    context: bytes | None
    reason: str
    definite: bool
    entry: Open | None = attrs.field(eq=False, repr=False)


Mail = Asked | Answered | Failed


@attrs.define(eq=False)
class Open:
    """A Request whose sender waits. `holder` has it now: who failed to answer when that one ends."""

    owner: Run
    request: Asked
    context: bytes | None
    snapshot: Asked | None
    ask: int | None
    holder: Run | None = None


@attrs.define(eq=False)
class Run:
    """One run of a process; `rights` and `uptimes` belong to the process."""

    name: str
    public: bool
    restarts: bool
    rights: dict[str, None]
    uptimes: list[int]
    started: int
    waiting: bool = False
    mailbox: list[Mail] = attrs.Factory(list)
    prompting: Asked | None = None
    payload: bytes | None = None
    asking: int | None = None
    owed: dict[int, Open] = attrs.Factory(dict)


class Refused(Exception):
    """A call that raises at the caller, by the name of the error."""


class Model:
    def __init__(self) -> None:
        self.now = 0
        self.table: dict[str, Run] = {}
        self.open: dict[int, Open] = {}
        self.finished: list[tuple[int, Answered | Failed]] = []
        self._tokens = 0
        self._asks = 0
        self._alarms: list[tuple[int, int, Open | Run]] = []
        self._count = 0

    # -- processes

    def create(self, name: str, *, public: bool, restarts: bool) -> None:
        self.table[name] = Run(name, public, restarts, {name: None}, [], self.now)

    def grant(self, issuer: str, to: str) -> None:
        self.table[to].rights[issuer] = None

    def drop(self, name: str, issuer: str) -> None:
        self.table[name].rights.pop(issuer, None)

    def end(self, name: str, *, killed: bool) -> None:
        """In one step: unread back, taken and unanswered failed, own questions forgotten, then the on-exit rule."""
        run = self.table.pop(name)
        unread, run.mailbox = run.mailbox, []
        for mail in unread:
            self._return_unread(run, mail)
        for entry in list(run.owed.values()):
            self._fail(entry, "process_exited", definite=False)
        for token, entry in list(self.open.items()):
            if entry.owner is run:
                self._close(token)
        if run.restarts and not killed:
            self._restart(run)
            return
        for other in self.table.values():
            other.rights.pop(name, None)

    def _restart(self, run: Run) -> None:
        run.uptimes.append(self.now - run.started)
        wait = int(waits([float(uptime) for uptime in run.uptimes])[-1])
        again = Run(run.name, run.public, True, run.rights, run.uptimes, self.now, waiting=wait > 0)
        self.table[run.name] = again
        if wait:
            self._alarm(self.now + wait, again)

    def _return_unread(self, run: Run, mail: Mail) -> None:
        if not isinstance(mail, Asked):
            return
        entry = self.open.get(mail.token)
        if entry is not None and entry.holder is run:
            self._fail(entry, "process_exited", definite=True)
        elif mail.expects is None:
            sender = self.table.get(mail.source)
            if sender is not None:
                self._come_back(sender, mail, "process_exited")

    # -- sending

    def send(
        self,
        name: str,
        target: str,
        ipc: bytes,
        *,
        inherit: bool,
        expects: int | None,
        payload: bytes | None,
        context: bytes | None = None,
        awaited: bool = False,
    ) -> int | None:
        """The table of 3.1 and 3.2; the number of the ask when it is awaited."""
        run = self.table[name]
        prompting = run.prompting
        relays = inherit and expects is None and prompting is not None
        if relays:
            assert prompting is not None
            token, rsvp = prompting.token, prompting.rsvp
        else:
            self._tokens += 1
            token, rsvp = self._tokens, name if expects is not None else None
        if payload is None and inherit:
            payload = run.payload
        mail = Asked(token, name, target, rsvp, expects, ipc, payload)
        entry: Open | None = None
        if expects is not None:
            ask = None
            if awaited:
                self._asks += 1
                ask = run.asking = self._asks
            entry = self.open[token] = Open(run, mail, context, prompting, ask)
            self._alarm(self.now + expects, entry)
        reason = self._reason_against(run, target)
        if reason is not None:
            if entry is not None:
                self._fail(entry, reason, definite=True)
            else:
                self._come_back(run, mail, reason)
            return run.asking if awaited else None
        receiver = self.table[target]
        if entry is None and rsvp is not None:
            entry = self.open.get(token)
        if entry is not None:
            self._hold(entry, receiver)
        receiver.mailbox.append(mail)
        return entry.ask if awaited and entry is not None else None

    def _reason_against(self, run: Run, target: str) -> str | None:
        receiver = self.table.get(target)
        if receiver is None:
            return "no_such_process"
        if receiver.waiting:
            return "process_exited"
        if not (receiver.public or target in run.rights):
            return "capability_missing"
        if len(receiver.mailbox) >= ROOM:
            return "mailbox_full"
        return None

    def _hold(self, entry: Open, holder: Run) -> None:
        if entry.holder is not None:
            entry.holder.owed.pop(entry.request.token, None)
        entry.holder = holder
        holder.owed[entry.request.token] = entry

    def respond(self, name: str, ipc: bytes, *, inherit: bool, payload: bytes | None) -> None:
        run = self.table[name]
        prompting = run.prompting
        if prompting is None:
            raise Refused("NoPromptingMessage")
        if prompting.responded:
            raise Refused("AlreadyResponded")
        prompting.responded = True
        if payload is None and inherit:
            payload = run.payload
        entry = self.open.get(prompting.token)
        if (prompting.rsvp is None and prompting.expects is None) or entry is None:
            return
        self._close(prompting.token)
        self._settle(entry, Answered(prompting.token, name, ipc, payload, entry.context, entry))

    # -- outcomes

    def _close(self, token: int) -> None:
        entry = self.open.pop(token)
        if entry.holder is not None:
            entry.holder.owed.pop(token, None)

    def _settle(self, entry: Open, outcome: Answered | Failed) -> None:
        if entry.ask is None:
            entry.owner.mailbox.append(outcome)
            return
        entry.owner.asking = None
        entry.owner.payload = outcome.payload if isinstance(outcome, Answered) else None
        self.finished.append((entry.ask, outcome))

    def _fail(self, entry: Open, reason: str, *, definite: bool) -> None:
        asked = entry.request
        self._close(asked.token)
        if self.table.get(entry.owner.name) is entry.owner:
            failed = Failed(
                asked.token,
                asked.target,
                asked.ipc,
                asked.payload,
                entry.context,
                reason,
                definite,
                entry,
            )
            self._settle(entry, failed)

    def _come_back(self, sender: Run, mail: Asked, reason: str) -> None:
        if not sender.waiting and len(sender.mailbox) < ROOM:
            failed = Failed(mail.token, mail.target, mail.ipc, mail.payload, None, reason, True, None)
            sender.mailbox.append(failed)

    # -- receiving

    def receive(self, name: str) -> Mail:
        """The table of 3.4."""
        run = self.table[name]
        mail = run.mailbox.pop(0)
        if isinstance(mail, Asked):
            run.prompting, run.payload = mail, mail.payload
        elif isinstance(mail, Answered):
            run.prompting, run.payload = mail.entry.snapshot, mail.payload
        else:
            run.payload = None
            if mail.entry is not None:
                run.prompting = mail.entry.snapshot
        return mail

    # -- time

    def _alarm(self, when: int, what: Open | Run) -> None:
        self._count += 1
        self._alarms.append((when, self._count, what))

    def advance(self, seconds: int) -> None:
        until = self.now + seconds
        for when, what in self._due(until):
            self.now = when
            if isinstance(what, Run):
                if self.table.get(what.name) is what:
                    what.waiting = False
                    what.started = when
            elif self.open.get(what.request.token) is what:
                self._fail(what, "deadline_passed", definite=False)
        self.now = until

    def _due(self, until: int) -> Iterator[tuple[int, Open | Run]]:
        self._alarms.sort(key=lambda alarm: alarm[:2])
        while self._alarms and self._alarms[0][0] <= until:
            when, _, what = self._alarms.pop(0)
            yield when, what
