from __future__ import annotations

from pathlib import Path

import pytest

from runtime.sim.run import run, run_twice
from runtime.sim.scenario import BadScenario, read_scenario
from runtime.sim.subject import subject_of
from runtime.sim.wires import Exponential, Fixed, Uniform
from tests.support.scenarios import ASKING, notes, played, scenario


def test_a_scenario_is_a_test_that_goes_the_same_way_twice():
    assert run_twice(scenario(ASKING), seed=3).verdict == "ok"


def test_its_phases_follow_each_other_and_last_as_long_as_they_say():
    text = ASKING + '[[phase]]\ntitle = "rest"\nseconds = 5\n' + ASKING.replace("asking", "again")
    report = played(text)
    assert report.verdict == "ok"
    assert [note.partition("spoke  ")[2] or note for note in notes(report)] == [
        "0.0 spoke phase 1: asking",
        "1.5 spoke phase 2: rest",
        "6.5 spoke phase 3: again",
        "8.0 spoke all is healed",
    ]


def test_a_phase_that_heals_ends_the_faults_of_the_world():
    world = '[world]\nfaults = "swarm"\n'
    healed = (
        ASKING.replace("count = 4", "count = 60") + '[[phase]]\ntitle = "calm"\nheal = true\nseconds = 100\n'
    )
    subject = subject_of(scenario(world + healed), "s.toml")
    # A full disk is told to who says something, which this scenario does not allow for.
    reports = [run(subject.test, seed=seed, **subject.rules) for seed in range(6)]
    reports = [report for report in reports if not any("full disk" in fault for fault in report.faults)]
    assert any(report.faults for report in reports)
    for report in reports:
        assert report.verdict in {"ok", "vacuous"}, report.violation
        calm = next(e.at for e in report.trace.entries if e.note == "phase 2: calm")
        assert all(float(fault.split(" ")[0].split("-")[0]) <= calm + 15 for fault in report.faults)


def test_without_faults_nothing_goes_wrong():
    fault = '[[phase.fault]]\nkind = "partition"\nat = 0.1\nlasts = 3\nleft = "alice.nec"\n'
    subject = subject_of(scenario(ASKING + fault), "s.toml", faults="none")
    assert run(subject.test, **subject.rules).faults == ()


def test_the_world_ends_a_scenario_that_takes_too_long():
    report = played("[world]\nuntil = 3\n" + ASKING + "[[phase]]\nseconds = 9")
    assert report.violation.name == "until"


def test_all_choices_may_be_harmless():
    text = "[world]\nchoices = 'harmless'\n[[link]]\nlatency = [0.1, 0.2]\nloss = 0.5\n" + ASKING
    subject = subject_of(scenario(text), "s.toml")
    report = subject.run(7)
    assert report.verdict == "ok"
    assert {choice.value for choice in report.tape} == {0}


def test_links_are_as_they_say():
    text = """
[[link]]
latency = { mean = 0.02, least = 0.001 }
[[link]]
a = "alice.nec"
b = "bob.nec"
both = false
latency = [0.1, 0.2]
loss = 0.1
dup = 0.2
reorder = 0.3
late = 1
bandwidth = 1000
[[link]]
a = "bob.nec"
b = "alice.nec"
both = false
latency = 0.5
"""
    every, one, other = scenario(text + ASKING).links
    assert (every.latency, one.latency, other.latency) == (
        Exponential(0.02, 0.001), Uniform(0.1, 0.2), Fixed(0.5)
    )  # fmt: skip
    assert (one.loss, one.dup, one.reorder, one.late, one.bandwidth) == (0.1, 0.2, 0.3, 1.0, 1000.0)
    assert (one.pair, one.both, every.pair) == (("alice.nec", "bob.nec"), False, None)


def test_a_lossy_link_loses():
    report = played("[[link]]\nloss = 0.4\n" + ASKING, seed=1)
    assert any(entry.kind.value == "lost" for entry in report.trace.entries)


def test_apps_are_folders_beside_the_file_or_examples_by_name(tmp_path):
    mine = tmp_path / "mine" / "pkg"
    mine.mkdir(parents=True)
    for name in ("metadata.json", "manifest.json", "echo.py", "ui/index.html"):
        source = Path("userland/apps/echo") / ("metadata.json" if name == "metadata.json" else f"pkg/{name}")
        (mine / name).parent.mkdir(exist_ok=True)
        (mine / name).write_bytes(source.read_bytes())
    file = tmp_path / "s.toml"
    asking = ASKING.replace("bob.nec@chat:chat:nectar", "echo:echo:nectar")
    file.write_text('[[node]]\nname = "alice.nec"\napps = ["mine"]\n' + asking)
    report = run(read_scenario(file))
    assert report.verdict == "ok", (report.violation, report.error)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "$.phase: there is none; write [[phase]]"),
        ("[[phases]]\n", "$.phase: there is none"),
        (ASKING + "[word]", "$.word: means nothing here; write world"),
        (ASKING + "[world]\nsed = 1", "$.world.sed: means nothing here; write seed"),
        (ASKING + "[world]\nchoices = 'all'", "'all' is not known; there are seed, harmless"),
        (ASKING + "[world]\nuntil = 0", "$.world.until: expected a number from 0.001 on, found 0"),
        (ASKING + "[[link]]\na = 'bob.nec'", "$.link[0].b: missing"),
        (ASKING + "[[link]]\na = 'bob.nec'\nb = 'bob.nec'", "'bob.nec' is a, too"),
        (ASKING + "[[link]]\nloss = 2", "$.link[0].loss: expected a number from 0 to 1, found 2"),
        (ASKING + "[[link]]\nlatency = { means = 1 }", "$.link[0].latency.mean: missing"),
        (ASKING + "[[node]]\nname = 'bob.nec'", "$.node[2].name: 'bob.nec' is the name of an earlier node"),
        (ASKING + "[[node]]\nname = 'c'\napps = ['nothing']", "'nothing' is no folder"),
        (
            ASKING + "[[node]]\nname = 'c'\napps = ['docs']",
            "'docs' holds no package; there is no metadata.json",
        ),
    ],
)
def test_a_scenario_that_cannot_be_is_refused(text, said):
    with pytest.raises(BadScenario) as caught:
        scenario(text)
    assert said in str(caught.value)


def test_a_scenario_has_nodes():
    with pytest.raises(BadScenario, match="there is none; write "):
        scenario(ASKING, nodes="")


def test_nodes_alone_are_vacuous():
    report = played("[[phase]]\nseconds = 1")
    assert (report.verdict, str(report.error)) == ("vacuous", "no workload sent anything")
