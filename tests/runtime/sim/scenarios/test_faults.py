"""Each kind of fault, at exact times and by chance, from the text of a scenario to what its world told."""

from __future__ import annotations

import pytest

from runtime.sim.report import Report
from runtime.sim.scenario import BadScenario
from runtime.sim.scenarios.faults import PLANNED, REPEATED
from tests.support.scenarios import notes, played, scenario

QUIET = """
[[phase]]
title = "quiet"
seconds = 8
[[phase.workload]]
kind = "messages"
title = "echoes"
from = "alice.nec"
to = "echo:echo:nectar"
every = 1
count = 8
[[phase.fault]]
"""
ECHO = '[[node]]\nname = "alice.nec"\napps = ["echo"]\n[[node]]\nname = "bob.nec"\n'


def with_fault(fault: str) -> Report:
    report = played(QUIET + fault, nodes=ECHO)
    assert report.verdict == "ok", report.violation
    return report


EXACT = {
    "partition": ('left = "alice.nec"\nlasts = 2', ["1.0 partitioned alice.nec", "3.0 healed alice.nec"]),
    "cut": ('a = "alice.nec"\nb = "bob.nec"', []),
    "hold": ('a = "alice.nec"\nb = "bob.nec"\nlasts = 2', ["1.0 held alice.nec", "3.0 released alice.nec"]),
    "crash": ('node = "bob.nec"\nlasts = 2', ["1.0 crashed bob.nec"]),
    "pause": ('node = "bob.nec"\nlasts = 2', ["1.0 paused bob.nec", "3.0 resumed bob.nec"]),
    "clock": ('node = "bob.nec"\nby = -60', ["1.0 clock bob.nec -60.000 s, 1 s a second"]),
    "full disk": (
        'node = "bob.nec"\nlasts = 2\nroom = 7',
        ["1.0 disk bob.nec full but for 7 bytes", "3.0 disk bob.nec no longer full"],
    ),
    "slow disk": (
        'node = "bob.nec"\nlasts = 2\nmost = 0.5',
        ["1.0 disk bob.nec slow, up to 0.5 s a call", "3.0 disk bob.nec no longer slow"],
    ),
    "slow": ("lasts = 2\nmost = 1", []),
    "loss": ("lasts = 2\nprobability = 0.5", []),
    "dup": ('from = "alice.nec"\nto = "bob.nec"\nlasts = 2', []),
    "reorder": ("lasts = 2\nlate = 0.1", []),
}


def test_every_kind_has_an_example():
    assert sorted(EXACT) == sorted(PLANNED)
    assert sorted(REPEATED) == sorted(set(PLANNED) - {"hold"})


@pytest.mark.parametrize("kind", EXACT)
def test_a_planned_fault_strikes_at_its_time_and_lasts_as_long_as_it_says(kind):
    args, told = EXACT[kind]
    report = with_fault(f'kind = "{kind}"\nat = 1\n{args}')
    said = notes(report)
    for start in told:
        assert any(note.startswith(start) for note in said), said
    [fault] = report.faults
    begin, _, rest = fault.partition(" ")
    until = begin.partition("-")[2]
    assert float(begin.partition("-")[0]) == pytest.approx(1.0, abs=0.1)
    assert rest.startswith(kind)
    assert (not until) if kind in {"cut", "clock"} else float(until) == pytest.approx(3.0, abs=0.1)


@pytest.mark.parametrize("kind", REPEATED)
def test_a_fault_by_chance_strikes_about_as_often_as_it_says(kind):
    text = QUIET.replace("seconds = 8", "seconds = 60") + f'kind = "{kind}"\nevery = 2\n'
    text += "" if kind in {"cut", "clock"} else "lasts = [0.1, 1]"
    report = played(text, nodes=ECHO)
    assert report.verdict == "ok", report.violation
    assert 5 < len(report.faults) < 40
    assert all(kind in fault for fault in report.faults)


def test_a_fault_strikes_as_often_as_it_has_times():
    report = with_fault('kind = "pause"\nnode = "bob.nec"\nat = [1, 3, 5]\nlasts = 1')
    assert len(report.faults) == 3


def test_a_fault_may_last_for_a_time_that_is_drawn():
    report = with_fault('kind = "pause"\nnode = "bob.nec"\nat = 1\nlasts = [1, 3]')
    assert "fault pause lasts" in {choice.label for choice in report.tape}


def test_faults_end_with_their_phase():
    """Also a node that is down then runs again."""
    crash = (
        QUIET.replace("seconds = 8", "seconds = 0") + 'kind = "crash"\nnode = "bob.nec"\nat = 1\nlasts = 500'
    )
    report = played(crash, nodes=ECHO)
    assert report.verdict == "ok"
    assert 7.0 < report.at < 20.0
    assert [e.kind.value for e in report.trace.entries if e.node == "bob.nec" and e.event is None] == [
        "booted",
        "crashed",
        "booted",
    ]


def test_a_node_that_is_down_is_neither_crashed_nor_paused():
    down = 'kind = "crash"\nnode = "bob.nec"\nat = 1\nlasts = 4\n'
    more = '[[phase.fault]]\nkind = "crash"\nnode = "bob.nec"\nat = 2\nlasts = 1\n'
    pause = '[[phase.fault]]\nkind = "pause"\nnode = "bob.nec"\nat = 3\nlasts = 1\n'
    assert len(with_fault(down + more + pause).faults) == 1


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ('kind = "cut"', "$.phase[0].fault[0]: expected either at or every"),
        ('kind = "crash"\nat = 1\nevery = 2', "expected either at or every"),
        ('kind = "crash"\nat = 1\nnode = "bob.nec"', "fault[0].lasts: missing, expected seconds"),
        ('kind = "crash"\nat = 1\nlasts = 2\nnode = "bob"', "'bob' is not known; write \"bob.nec\""),
        ('kind = "crash"\nat = 1\nlasts = 2\nnode = "bob.nec"\nkeep = "some"', "'some' is not known"),
        ('kind = "partition"\nat = 1\nlasts = 2\nleft = []', "nobody is on this side"),
        ('kind = "partition"\nat = 1\nlasts = 2\nleft = "x"', "'x' is no node; there are alice.nec, bob.nec"),
        (
            'kind = "partition"\nat = 1\nlasts = 2\nleft = "bob.nec"\nright = ["bob.nec"]',
            "'bob.nec' is on both sides",
        ),
        ('kind = "cut"\nat = 1\na = "bob.nec"\nb = "bob.nec"', "'bob.nec' is the other one, too"),
        ('kind = "hold"\nevery = 1', "'hold' does not come by chance"),
        ('kind = "pause"\nevery = 0', "0 seconds between two faults"),
        ('kind = "pause"\nevery = 1\nnode = "bob.nec"', "fault[0].node: means nothing here"),
    ],
)
def test_a_fault_that_cannot_be_is_refused(fault, said):
    with pytest.raises(BadScenario) as caught:
        scenario(QUIET + fault)
    assert said in str(caught.value)
