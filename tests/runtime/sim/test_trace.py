"""DESIGN 7: the log that must be identical is one global order."""

from __future__ import annotations

from kernel.address import ProcessId
from kernel.events import Event, EventKind
from runtime.sim.trace import Entry, Trace, WorldKind

PID = ProcessId("a", "a", "me")


def told() -> Trace:
    trace = Trace()
    trace.observer("alice.uq")(Event(EventKind.STARTED, 1.5, PID, None, ""))
    trace.add(2.0, "alice.uq", WorldKind.PARTITIONED, other="bob.uq", note="both ways")
    return trace


def test_events_of_all_nodes_and_of_the_world_are_lines_of_one_order():
    assert [entry.line() for entry in told().entries] == [
        "0 alice.uq 1.500000 started a:a:me",
        "1 alice.uq 2.000000 partitioned bob.uq both ways",
    ]


def test_the_digest_is_over_all_lines():
    assert told().digest == told().digest
    other = told()
    other.add(2.0, "", WorldKind.HEALED)
    assert other.digest != told().digest


def test_a_trace_that_is_not_kept_still_shows_each_entry_to_its_monitors():
    trace, seen = Trace(kept=False), []
    trace.monitors.append(seen.append)
    trace.add(0.0, "alice.uq", WorldKind.CRASHED)
    assert (trace.entries, trace.count) == ([], 1)
    assert [entry.line() for entry in seen] == ["0 alice.uq 0.000000 crashed"]


def test_a_text_that_is_no_unicode_is_digested_too():
    trace = Trace()
    trace.add(0.0, "alice.uq", WorldKind.SPOKE, note="\ud800")
    assert len(trace.digest) == 64


def test_a_closed_trace_takes_nothing_more() -> None:
    trace = Trace()
    trace.add(0.0, "", WorldKind.SPOKE, note="in time")
    before = trace.digest
    trace.close()
    trace.add(1.0, "", WorldKind.SPOKE, note="too late")
    assert (trace.digest, trace.count) == (before, 1)


def test_a_trace_that_keeps_nothing_has_no_digest() -> None:
    trace = Trace(kept=False)
    trace.add(0.0, "", WorldKind.SPOKE)
    assert (trace.digest, trace.entries, trace.count) == ("", [], 1)


def test_a_monitor_that_leaves_hides_nothing_from_the_next() -> None:
    trace, seen = Trace(), list[int]()

    def first_only(entry: Entry) -> None:
        trace.unwatch(first_only)

    trace.watch(first_only)
    trace.watch(lambda entry: seen.append(entry.number))
    for _ in range(3):
        trace.add(0.0, "", WorldKind.SPOKE)
    assert seen == [0, 1, 2]
    assert first_only not in trace.monitors
