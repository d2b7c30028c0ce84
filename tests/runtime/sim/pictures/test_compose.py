"""Issue 5, point 10: what a picture shows and what it leaves out."""

from __future__ import annotations

from kernel.events import EventKind
from runtime.sim.causes import causal_past
from runtime.sim.pictures.compose import picture_of
from runtime.sim.pictures.model import ArrowEnd, ArrowKind, BandKind, Lane, MarkKind
from runtime.sim.trace import WorldKind
from tests.support.pictured import replicated
from tests.support.told_trace import ToldTrace

A, B, C = "alice.uq", "bob.uq", "carol.uq"


def drawn(told, **options):
    return picture_of(told.entries(), **options)


def arrows(picture):
    name = [f"{lane.node[0]}.{lane.name}" for lane in picture.lanes]
    return [(name[a.source], name[a.target], a.label, a.end) for a in picture.arrows]


def test_lanes_are_processes_grouped_by_node_in_the_order_in_which_they_speak():
    picture = drawn(replicated())
    names = ["client:app:me", "counter:app:me", "nobody:app:me"]
    assert list(picture.lanes[:3]) == [Lane(A, name) for name in names]
    assert picture.nodes() == [(A, 0, 2), (B, 3, 3), (C, 4, 4)]


def test_nodes_stand_in_the_order_in_which_they_boot():
    told = ToldTrace()
    told.put(told.request("zoe.a", "zoe.b"))
    for name in ("carol", "bob", "alice"):
        told.world(WorldKind.BOOTED, name)
    told.put(told.request("alice.a", "alice.b"))
    told.put(told.request("bob.a", "bob.b"))
    assert [node for node, _, _ in drawn(told).nodes()] == [B, A, "zoe.uq"]


def test_a_message_to_another_node_is_one_arrow_between_the_real_processes_and_takes_time():
    told = ToldTrace()
    message = told.request("alice.a", "bob.b", "x")
    told.depart(message)
    told.at = 0.5
    told.put(told.request("alice.c", "alice.d", "y"))
    told.put(message)
    first, second = drawn(told).arrows
    assert (first.first, first.last, first.end) == (0, 2, ArrowEnd.ARRIVED)
    assert (second.first, second.last) == (1, 1)
    assert "sent at 0.000000 s\narrived at 0.500000 s" in first.hover


def test_what_is_lost_refused_dead_or_under_way_ends_as_such():
    ends = {end: label for _, _, label, end in arrows(drawn(replicated()))}
    assert ends[ArrowEnd.LOST] == 'lost: {"Copy":6}'
    assert ends[ArrowEnd.REFUSED] == "hello? ✕ no_such_process"
    assert ends[ArrowEnd.UNDER_WAY] == '"Read"'
    assert ends[ArrowEnd.DEAD] == '"late" ✕ not open any more'
    lost = [a for a in drawn(replicated()).arrows if a.end is ArrowEnd.LOST]
    # its carrier tried twice
    assert [a.label for a in lost] == ['{"Copy":6}', 'lost: {"Copy":6}']


def test_a_request_that_comes_back_says_why_where_it_does():
    [back] = [a for a in drawn(replicated()).arrows if a.kind is ArrowKind.ERROR]
    assert back.label == 'deadline_passed: {"Copy":6}'


def test_a_packet_of_what_arrives_in_the_end_is_shown_as_lost_beside_its_arrow():
    told = ToldTrace()
    message = told.request("alice.a", "bob.b", "x")
    told.depart(message)
    told.world(WorldKind.LOST, "alice", f"data 1, message {message.id} (loss)", "bob")
    told.world(WorldKind.LOST, "alice", "ack 2 (loss)", "bob")
    told.put(message)
    assert [(a.label, a.end) for a in drawn(told).arrows] == [
        ("x", ArrowEnd.ARRIVED),
        ("lost: x", ArrowEnd.LOST),
    ]


def test_partitions_pauses_and_downtime_last_from_row_to_row():
    picture = drawn(replicated())
    shown = [(band.kind, band.node, band.text) for band in picture.bands]
    assert shown == [
        (BandKind.PARTED, "", "partitioned alice.uq | bob.uq"),
        (BandKind.DOWN, C, "carol.uq crashed"),
        (BandKind.PAUSED, B, "bob.uq paused"),
    ]
    parted, _, paused = picture.bands
    assert picture.rows[parted.last].at == 6.5
    assert paused.last == len(picture.rows) - 1


def test_a_partition_between_several_nodes_ends_with_the_same_words():
    told = ToldTrace()
    told.put(told.request("alice.a", "alice.b"))
    for words in ("alice.uq, bob.uq | carol.uq", "alice.uq | bob.uq, carol.uq"):
        told.world(WorldKind.PARTITIONED, note=words)
    told.world(WorldKind.HEALED, note="alice.uq | bob.uq, carol.uq")
    told.put(told.request("alice.a", "alice.b"))
    assert [(band.text, band.first, band.last) for band in drawn(told).bands] == [
        ("partitioned alice.uq, bob.uq | carol.uq", 1, 4),
        ("partitioned alice.uq | bob.uq, carol.uq", 2, 3),
    ]


def test_marks_stand_at_a_process_a_node_or_everywhere():
    marks = {mark.text: mark for mark in drawn(replicated()).marks}
    assert marks["started"].lane == 3
    assert (marks["booted"].node, marks["booted"].lane) == (C, None)
    violated = marks["acknowledged not lost: carol has 1, alice said 6"]
    assert (violated.kind, violated.node, violated.lane) == (MarkKind.VIOLATED, "", None)


def test_a_first_boot_and_a_last_stop_are_nothing_to_tell():
    told = ToldTrace()
    told.world(WorldKind.BOOTED, "alice")
    told.event("alice.a", EventKind.STARTED)
    told.put(told.request("alice.a", "alice.b"))
    told.event("alice.a", EventKind.EXITED, note="CANCELLED")
    assert drawn(told).marks == ()


def test_the_processes_that_every_node_has_are_hidden_unless_asked_for():
    told = ToldTrace()
    message = told.request("alice.a", "alice.b")
    told.put(message)
    kernel = told.request("alice.a", "alice.b")
    kernel.target = kernel.target.__class__(A, "kernel:sys:nectar")
    told.tell("alice", EventKind.APPENDED, kernel.target.process, kernel)
    assert len(drawn(told).arrows) == 1
    assert len(drawn(told, hidden=()).arrows) == 2


def test_beyond_the_limit_it_is_cut_with_a_notice():
    told = ToldTrace()
    for number in range(30):
        told.put(told.request("alice.a", "alice.b", str(number)))
    picture = drawn(told, most=20)
    assert len(picture.arrows) == 20
    assert len(picture.rows) == 20
    assert "the first 20 of 30 messages" in picture.notice
    assert drawn(told, most=30).notice == ""


def test_of_a_failure_the_ending_is_kept_with_what_lasted_into_it():
    told = ToldTrace()
    told.world(WorldKind.PARTITIONED, "alice", other="bob")
    told.world(WorldKind.HEALED, "alice", other="bob")
    told.world(WorldKind.PAUSED, "alice")
    for number in range(30):
        told.put(told.request("alice.a", "alice.b", str(number)))
    told.world(WorldKind.VIOLATED, note="thirty")
    picture = drawn(told, most=5, ending=True)
    assert [arrow.label for arrow in picture.arrows] == ["25", "26", "27", "28", "29"]
    assert [(band.kind, band.first, band.last) for band in picture.bands] == [(BandKind.PAUSED, 0, 5)]
    assert [mark.text for mark in picture.marks] == ["thirty"]
    assert "the last 5 of 30 messages" in picture.notice


def test_the_past_of_an_event_is_a_picture_of_its_own_with_the_faults():
    told = ToldTrace()
    told.put(told.request("alice.x", "alice.y", "noise"))
    told.put(told.request("alice.a", "alice.b", "cause"))
    told.world(WorldKind.CLOCK, "alice", "+3 s")
    effect = told.put(told.request("alice.b", "alice.c", "effect"))
    past = causal_past(told.entries(), effect)
    picture = drawn(told, only=[entry.number for entry in past])
    assert [arrow.label for arrow in picture.arrows] == ["cause", "effect"]
    assert [mark.text for mark in picture.marks] == ["clock +3 s"]


def test_where_nobody_speaks_the_picture_says_so():
    assert "no messages" in drawn(ToldTrace()).notice
