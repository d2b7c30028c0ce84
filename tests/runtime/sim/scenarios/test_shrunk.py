"""A failure written back as a scenario fails again, without what it does not need."""

from __future__ import annotations

from pathlib import Path

from runtime.sim.report import Report
from runtime.sim.scenario import parse_scenario
from runtime.sim.scenarios.shrunk import written_back
from runtime.sim.subject import Subject, subject_of
from tests.support.scenarios import ASKING, scenario

ANSWERED = '[[check]]\nkind = "always_answered"\n'
HELD = '[[phase.fault]]\nkind = "hold"\na = "alice.nec"\nb = "bob.nec"\nat = 0.2\nlasts = 30\n'
CLOCK = '[[phase.fault]]\nkind = "clock"\nnode = "bob.nec"\nby = 5\nat = [0.1, 0.3]\n'


def failing(text: str, seed: int = 0) -> tuple[Subject, Report]:
    subject = subject_of(scenario(text), "s.toml")
    report = subject.run(seed)
    assert report.verdict == "violated", report.verdict
    return subject, report


def written(subject: Subject, report: Report) -> str:
    text = written_back(subject, subject.test, report, Path())
    assert text is not None
    again = subject_of(parse_scenario(text.encode(), "again.toml", Path()), "again.toml")
    found = again.run(report.seed)
    assert (found.verdict, found.violation.name) == (report.verdict, report.violation.name)
    return text


def test_only_the_faults_that_it_needs_are_left():
    text = written(*failing(ASKING + CLOCK + HELD + ANSWERED))
    assert 'choices = "harmless"' in text
    assert "clock" not in text
    assert text.count("[[phase.fault]]") == 1
    assert 'kind = "hold"' in text
    assert "# violated: always_answered: " in text


def test_faults_that_came_by_chance_get_their_exact_times():
    chance = '[[phase.fault]]\nkind = "partition"\nevery = 1\nlasts = [15, 20]\n'
    text = "[world]\nsettle = 1\n" + ASKING.replace("count = 4", "count = 20") + chance + ANSWERED
    subject = subject_of(scenario(text), "s.toml")
    report = next(report for report in map(subject.run, range(50)) if report.verdict == "violated")
    text = written(subject, report)
    assert "every = 1\n" not in text
    assert text.count("[[phase.fault]]") >= 1
    assert "left = [" in text


def test_without_faults_there_is_a_plan_without_faults():
    text = written(*failing(ASKING + '[[check]]\nkind = "never"\nmatch = { ipc = "saying 2" }'))
    assert "fault" not in text.replace('faults = "none"', "")


def test_what_only_chance_brings_is_left_to_its_tape():
    """Losing three greetings in a row: no plan of faults tells of it, and the harmless choice never does; but the
    choices of a seed may, and then the scenario names them.
    """
    lossy = "[[link]]\nloss = 0.6\n" + ASKING + "timeout = 1\n" + ANSWERED
    subject = subject_of(scenario(lossy), "s.toml")
    report = next(report for report in map(subject.run, range(50)) if report.verdict == "violated")
    text = written(subject, report)
    assert 'choices = "seed"' in text
    assert f"seed = {report.seed}" in text
