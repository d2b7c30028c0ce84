"""A run with one of everything that a picture can show."""

from __future__ import annotations

from kernel.events import EventKind
from runtime.sim.trace import WorldKind
from tests.support.told_trace import ToldTrace


def replicated() -> ToldTrace:
    """alice replicates to bob and carol; a partition, a crash, a pause, and in the end a violation."""
    told = ToldTrace()
    for name in ("alice", "bob", "carol"):
        told.world(WorldKind.BOOTED, name)
    add = told.request("alice.client", "alice.counter", '{"Add":1}')
    told.put(add)
    told.at = 0.01
    copies = [told.request("alice.counter", f"{name}.counter", '{"Copy":1}') for name in ("bob", "carol")]
    for copied in copies:
        told.depart(copied)
    for copied in copies:
        told.at += 0.01
        told.put(copied)
        told.depart(told.response(copied, '"Ok"'))
    for copied in copies:
        told.at += 0.01
        told.answer(told.response(copied, '"Ok"'))
    told.answer(told.response(add, '{"Value":1}'))
    told.at = 1.5
    told.world(WorldKind.PARTITIONED, "alice", "alice.uq | bob.uq", "bob")
    _in_the_dark(told)
    told.world(WorldKind.VIOLATED, note="acknowledged not lost: carol has 1, alice said 6")
    return told


def _in_the_dark(told: ToldTrace) -> None:
    unheard = told.request("alice.counter", "bob.counter", '{"Copy":6}')
    told.depart(unheard)
    for seconds in (0.0, 1.0):
        told.at += seconds
        told.world(WorldKind.LOST, "alice", f"data 12, message {unheard.id} (partition)", "bob")
    told.world(WorldKind.CRASHED, "carol")
    told.at = 6.5
    told.event("alice.counter", EventKind.FIRED, unheard)
    told.event("alice.counter", EventKind.RETURNED, unheard, "deadline_passed")
    told.world(WorldKind.HEALED, "alice", "alice.uq | bob.uq", "bob")
    told.world(WorldKind.BOOTED, "carol")
    stray = told.request("alice.client", "alice.nobody", "hello?")
    told.event("alice.client", EventKind.RETURNED, stray, "no_such_process")
    told.event("bob.counter", EventKind.EXITED, note="CRASH")
    told.event("bob.counter", EventKind.STARTED)
    told.put(told.request("bob.counter", "bob.counter", '"Tick"'))
    told.world(WorldKind.PAUSED, "bob")
    told.depart(told.request("alice.client", "bob.counter", '"Read"'))
    late = told.request("carol.counter", "alice.client")
    told.depart(told.response(late, '"late"'))
    told.event("carol.counter", EventKind.DEAD_LETTER, told.response(late, '"late"'), "not open any more")
