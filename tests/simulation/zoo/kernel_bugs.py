"""Bugs of the kernel, and of the processes that keep time and states."""

from __future__ import annotations

import trio

import kernel.router
from kernel import offspring
from kernel.address import ProcessId
from kernel.deadlines import Deadlines
from kernel.exit_notices import ExitNotices
from kernel.exits import Backoff
from kernel.grants import Grants
from kernel.lifecycle import Lifecycle
from kernel.mailbox import Mailbox
from kernel.message import Reason, Response
from kernel.message_ids import MessageIds
from kernel.ports import Put, StoreFailed
from kernel.process import Holdings
from kernel.router import Router
from sys_processes._serve import Answer
from sys_processes.state import process as state
from sys_processes.state.process import _States
from sys_processes.timer.process import _Timers
from tests.simulation.zoo.keep import keep
from tests.simulation.zoo.kin import kin
from tests.simulation.zoo.lives import lives
from tests.simulation.zoo.plant import Part, swapped
from tests.simulation.zoo.rights import rights
from tests.simulation.zoo.talk import talk

KERNEL = Part("kernel")
TIMER = Part("timer")
STATE = Part("state")


@KERNEL.bug(talk, "An answer that came too late is dropped without a trace.")
def dead_letter_lost():
    def make(bury):
        def wrong(self, to, envelope, why):
            if not isinstance(envelope.message, Response):
                bury(self, to, envelope, why)

        return wrong

    return swapped(Router, "bury", make)


@KERNEL.bug(talk, "A message that finds two others waiting goes before the last of them.")
def pair_reordered():
    def make(offer):
        def wrong(self, item):
            fits = offer(self, item)
            if fits and len(self) > 2:
                self._queue[-1], self._queue[-2] = self._queue[-2], self._queue[-1]
            return fits

        return wrong

    return swapped(Mailbox, "offer", make)


@KERNEL.bug(rights, "Whoever was once restarted may message anybody.")
def capability_unchecked():
    def make(may_message):
        return lambda sender, receiver: sender.backoff is not None or may_message(sender, receiver)

    return swapped(kernel.router, "may_message", make)


@KERNEL.bug(rights, "Requests that expect a response go to other nodes without the network capability.")
def network_unchecked():
    def make(hand):
        def wrong(self, sender, envelope, entry):
            had, sender.holdings.network = sender.holdings.network, True
            try:
                return hand(self, sender, envelope, entry)
            finally:
                sender.holdings.network = had if entry is not None else sender.holdings.network and had

        return wrong

    return swapped(Router, "_hand_to_carrier", make)


@KERNEL.bug(talk, "A request stays open after its time is up, so a late answer is delivered, too.")
def answered_after_timeout():
    def make(fail):
        def wrong(self, entry, refusal, *, definite):
            fail(self, entry, refusal, definite=definite)
            if refusal.reason is Reason.deadline_passed:
                entry.settled = False
                self.open[entry.id] = entry

        return wrong

    return swapped(Router, "_fail", make)


@KERNEL.bug(lives, "A deadline before the one that is slept on does not wake the sleeper.")
def deadline_overslept():
    def make(add):
        def wrong(self, when, due, size=0):
            scope, self._scope = self._scope, None
            add(self, when, due, size)
            self._scope = scope
            if scope is not None and scope.deadline == float("inf"):
                scope.deadline = when

        return wrong

    return swapped(Deadlines, "add", make)


@KERNEL.bug(lives, "A process that waits for its next start takes messages, which nobody then reads.")
def delivered_after_exit():
    def make(deliver):
        def wrong(self, sender, receiver, envelope, entry, privileged):
            was = receiver is not None and receiver.accepts
            if receiver is not None:
                receiver.accepts = True
            try:
                return deliver(self, sender, receiver, envelope, entry, privileged)
            finally:
                if receiver is not None:
                    receiver.accepts = was

        return wrong

    return swapped(Router, "deliver", make)


@KERNEL.bug(talk, "While more than two requests are open, the next one may get the id of one of them.")
def id_reused():
    def make(take):
        def wrong(self):
            return next(iter(self._open)) if len(self._open) > 2 else take(self)

        return wrong

    return swapped(MessageIds, "take", make)


@KERNEL.bug(talk, "Of two answers in one instant the second has the payload of the first.")
def payload_of_another():
    latest: dict[object, object] = {}

    def make(respond):
        def wrong(self, sender, state, response, payload):
            at = sender.pid, trio.current_time()
            respond(self, sender, state, response, latest.get(at, payload))
            latest.clear()
            latest[at] = payload

        return wrong

    return swapped(Router, "send_response", make)


@KERNEL.bug(lives, "However often a process falls, it starts again after a second.")
def backoff_ignored():
    def make(next_delay):
        return lambda self, uptime: min(next_delay(self, uptime), 1.0)

    return swapped(Backoff, "next_delay", make)


@KERNEL.bug(rights, "A process that is restarted after a crash has lost its capabilities.")
def capability_lost_at_restart():
    def make(restart):
        def wrong(self, former):
            network = former.holdings.network
            former.holdings = Holdings(former.address.node)
            former.holdings.network = network
            restart(self, former)

        return wrong

    return swapped(Lifecycle, "_restart", make)


@KERNEL.bug(rights, "A capability that is given up can still be used.")
def capability_kept():
    def make(_drop):
        return lambda self, process, capability: self._records.save(process)

    return swapped(Grants, "drop", make)


@KERNEL.bug(lives, "What a process had not read when it crashed does not come back.")
def unread_forgotten():
    def make(return_unread):
        def wrong(self, process, envelope, refusal):
            if process.asked is not None:
                return_unread(self, process, envelope, refusal)

        return wrong

    return swapped(Router, "_return_unread", make)


@KERNEL.bug(lives, "Whoever waits for an answer of a process that crashed is not told.")
def debts_forgotten():
    def make(release):
        def wrong(self, process):
            process.owed = None
            release(self, process)

        return wrong

    return swapped(Router, "release", make)


# -- the timer


@KERNEL.bug(kin, "Whoever ends leaves its child processes behind.")
def child_left_behind():
    return swapped(offspring, "attach", lambda attach: lambda parent, child: None)


@KERNEL.bug(kin, "A child that was started anew after a crash has no parent any more.")
def child_set_free():
    def make(restart):
        def wrong(self, former):
            offspring.leave(self._router.processes, former)
            restart(self, former)

        return wrong

    return swapped(Lifecycle, "_restart", make)


@KERNEL.bug(kin, "Of two that end in one instant, who watches is told of one.")
def notice_lost():
    def make(tell):
        def wrong(self, process, *, restarts):
            now = trio.current_time()
            if getattr(self, "_told_at", None) != now:
                self._told_at = now
                tell(self, process, restarts=restarts)

        return wrong

    return swapped(ExitNotices, "tell", make)


@TIMER.bug(lives, "Of more than four timers at once, one never rings.")
def timer_forgotten():
    def make(handle):
        async def wrong(self, message, request):
            return None if self._running > 4 else await handle(self, message, request)

        return wrong

    return swapped(_Timers, "handle", make)


@TIMER.bug(lives, "Timers of more than three seconds ring a hundredth of a second early.")
def timer_early():
    def make(wait):
        def wrong(self, ms):
            return wait(self, ms - 10 if ms > 3000 else ms)

        return wrong

    return swapped(_Timers, "_wait", make)


# -- the states


@STATE.bug(keep, "A state is acknowledged before it is on the disk.")
def acknowledged_before_flush():
    def make(_when_durable):
        async def wrong(self, done):
            return Answer(done)

        return wrong

    return swapped(_States, "_when_durable", make)


@STATE.bug(keep, "A state is written in two halves.")
def state_torn():
    def make(change):
        async def wrong(self, write, done):
            if isinstance(write, Put):
                half = len(write.value) // 2
                self._store.apply([Put(write.table, write.key, write.value[:half])])
            return await change(self, write, done)

        return wrong

    return swapped(_States, "_change", make)


@STATE.bug(keep, "Namesakes of two packages share a state.")
def state_of_a_namesake():
    def make(handle):
        async def wrong(self, message, request):
            pid = request.process
            namesake = ProcessId(pid.process, "any", pid.publisher)
            with swapped(state, "_may_touch", lambda _right: lambda message, process: True):
                return await handle(self, message, type(request)(namesake))

        return wrong

    return swapped(_States, "handle", make)


@STATE.bug(keep, "A full disk is taken for one that has written.")
def full_disk_unnoticed():
    def make(when_durable):
        async def wrong(self, done):
            try:
                return await when_durable(self, done)
            except StoreFailed:
                return Answer(done)

        return wrong

    return swapped(_States, "_when_durable", make)
