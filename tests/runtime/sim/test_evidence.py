"""Issue 5, point 7: what a failed run leaves in files."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import attrs

from runtime.sim.choices import Choice
from runtime.sim.evidence import end_of_boot, picture_of_failure, write_evidence
from runtime.sim.log_file import log_of, read_log
from runtime.sim.report_text import failure_text
from runtime.sim.tape_file import read_tape
from runtime.sim.trace import Trace, WorldKind
from tests.support.pictured import replicated
from tests.support.told_trace import ToldTrace

TEST = "tests/test_counter.py::test_replicates"


@attrs.frozen
class Found:
    name: str = "acknowledged not lost"
    at: float = 6.5
    entries: tuple[int, ...] = ()
    text: str = "carol has 1, alice said 6"


@attrs.frozen
class Came:
    trace: Trace
    verdict: str = "violated"
    seed: int = 17
    tape: tuple[Choice, ...] = (Choice("loss", 1001, 1000),)
    at: float = 7.0
    violation: Found | None = Found()
    waiting: tuple[str, ...] = ()
    error: BaseException | None = None

    @property
    def digest(self) -> str:
        return self.trace.digest


def test_tape_log_diagram_and_test_are_written_and_named(tmp_path):
    run = Came(replicated().trace)
    failure = write_evidence(run, TEST, folder=tmp_path / "out", shrunk="9 choices -> 1, for faults 4 -> 1")
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == [
        "replicates-17.jsonl",
        "replicates-17.svg",
        "replicates-17.tape.json",
        "test_replicates_17.py",
    ]
    tape = read_tape(tmp_path / "out" / "replicates-17.tape.json")
    assert (tape.choices, tape.digest, tape.verdict) == (run.tape, run.digest, "violated")
    assert tape.violation == "acknowledged not lost: carol has 1, alice said 6"
    log = read_log(tmp_path / "out" / "replicates-17.jsonl")
    assert log.entries == log_of(run.trace)
    ET.parse(tmp_path / "out" / "replicates-17.svg")
    compile((tmp_path / "out" / "test_replicates_17.py").read_text(), "test", "exec")
    text = failure_text(failure)
    for words in (
        "violated: acknowledged not lost at 6.500 s",
        "3 faults remain",
        "carol.uq crashed",
        str(tmp_path),
    ):
        assert words in text, words


def test_the_diagram_is_of_what_led_to_the_violation():
    told = ToldTrace()
    told.put(told.request("alice.x", "alice.y", "noise"))
    told.put(told.request("alice.a", "alice.b", "cause"))
    broke = told.put(told.request("alice.b", "alice.c", "effect"))
    told.put(told.request("alice.x", "alice.y", "later"))
    run = Came(told.trace, violation=Found(entries=(broke,)))
    picture = picture_of_failure(run, told.entries())
    assert [arrow.label for arrow in picture.arrows] == ["cause", "effect"]
    assert picture.title == "acknowledged not lost: carol has 1, alice said 6"


def test_without_an_event_that_broke_it_the_diagram_is_of_the_ending():
    told = ToldTrace()
    for number in range(300):
        told.put(told.request("alice.a", "alice.b", str(number)))
    for run in (
        Came(told.trace, "deadlock", violation=None),
        Came(told.trace, "error", violation=None, error=ValueError("bad")),
        Came(told.trace, violation=Found(entries=(9999,))),
    ):
        picture = picture_of_failure(run, told.entries())
        assert picture.arrows[-1].label == "299"
        assert "the last 200 of 300" in picture.notice


def test_a_violation_that_no_message_led_to_shows_the_ending_too():
    told = ToldTrace()
    told.put(told.request("alice.a", "alice.b", "said"))
    told.world(WorldKind.CLOCK, "alice")
    told.world(WorldKind.VIOLATED, note="late")
    assert [arrow.label for arrow in picture_of_failure(Came(told.trace), told.entries()).arrows] == ["said"]


def test_what_happened_before_all_nodes_had_booted_is_not_in_the_diagram():
    told = ToldTrace()
    told.put(told.request("alice.x", "alice.y", "at boot"))
    told.world(WorldKind.BOOTED, "alice")
    told.put(told.request("bob.x", "bob.y", "at boot"))
    told.world(WorldKind.BOOTED, "bob")
    told.put(told.request("alice.x", "alice.y", "later"))
    told.world(WorldKind.SPOKE, "", "the test says something")
    told.world(WorldKind.BOOTED, "carol")
    entries = log_of(told.trace)
    assert entries[end_of_boot(entries)].node == "bob.uq"
    picture = picture_of_failure(Came(told.trace), entries)
    assert [arrow.label for arrow in picture.arrows] == ["later"]
    assert end_of_boot(entries[:1]) == -1
