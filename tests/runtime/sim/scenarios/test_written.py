from __future__ import annotations

import tomllib
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from runtime.sim.scenario import scenario_of
from runtime.sim.scenarios.faults import TO_THE_END
from runtime.sim.scenarios.written import Tables, explicit, moved, toml_text
from runtime.sim.storm import Fault
from runtime.sim.trace import Entry, WorldKind
from tests.support.scenarios import ASKING, NODES

keys = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6)
plain = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
)
values = st.recursive(
    st.one_of(plain, st.lists(plain, max_size=3)),
    lambda inner: st.dictionaries(keys, inner, max_size=3),
    max_leaves=4,
)
tables = st.dictionaries(
    keys,
    st.one_of(values, st.lists(st.dictionaries(keys, values, max_size=3), min_size=1, max_size=2)),
    max_size=4,
)


@given(tables)
def test_what_is_written_reads_as_it_was(given_tables):
    assert tomllib.loads(toml_text(given_tables)) == given_tables


def test_a_comment_stands_before_it():
    assert toml_text({"a": 1}, ("why", "")) == "# why\n#\na = 1\n"


def test_a_scenario_stays_readable():
    text = """[world]
seed = 1

[[node]]
name = "alice.nec"

[[phase]]
title = "one"

[[phase.workload]]
kind = "messages"
at = [0.5, 1]

[[check]]
kind = "never"
match = { kind = "returned" }
"""
    assert toml_text(tomllib.loads(text)) == text


def faults_of(found: Tables) -> list[object]:
    phases = found["phase"]
    assert isinstance(phases, list)
    return [phase["fault"] for phase in phases]


def entry(number: int, at: float, note: str) -> Entry:
    return Entry(number, at, "", WorldKind.SPOKE, note=note)


def test_faults_stand_in_the_phase_in_which_they_began_at_their_exact_times():
    two = tomllib.loads(NODES + ASKING + ASKING)
    begins = [entry(0, 0.5, "phase 1: asking"), entry(1, 0.6, "a phase"), entry(2, 4.0, "phase 2: asking")]
    faults = [
        Fault("cut", "a | b", 0.2, 0.2, {"a": "alice.nec", "b": "bob.nec"}),
        Fault("crash", "bob.nec", 1.5, 2.0, {"node": "bob.nec", "keep": "all"}),
        Fault("pause", "bob.nec", 3.5, 9.0, {"node": "bob.nec"}),
        Fault("partition", "", 4.25, None, {"left": ["alice.nec"], "right": ["bob.nec"], "oneway": False}),
    ]
    first, second = faults_of(explicit(two, faults, begins))
    assert first == [
        {"kind": "cut", "at": 0.0, "a": "alice.nec", "b": "bob.nec"},
        {"kind": "crash", "at": 1.0, "lasts": 0.5, "node": "bob.nec", "keep": "all"},
        {"kind": "pause", "at": 3.0, "lasts": 0.5, "node": "bob.nec"},
    ]
    assert second == [
        {
            "kind": "partition",
            "at": 0.25,
            "lasts": TO_THE_END,
            "left": ["alice.nec"],
            "right": ["bob.nec"],
            "oneway": False,
        }
    ]
    assert "fault" not in two["phase"][0]


def test_of_a_phase_that_never_began_no_fault_is_left():
    fault = '[[phase.fault]]\nkind = "cut"\nat = 1\na = "alice.nec"\nb = "bob.nec"\n'
    two = tomllib.loads(NODES + ASKING + fault + ASKING + fault)
    found = explicit(two, [], [entry(0, 0.5, "phase 1: asking")])
    assert faults_of(found) == [[], []]
    scenario_of(found, "s.toml", Path())


def test_the_folders_of_apps_are_found_from_the_new_place(tmp_path):
    (tmp_path / "mine").mkdir()
    found = moved(
        {"node": [{"apps": ["mine", "echo"]}, {"apps": "mine"}, {}]}, tmp_path, tmp_path / "a" / "b"
    )
    assert found == {"node": [{"apps": ["../../mine", "echo"]}, {"apps": ["../../mine"]}, {"apps": []}]}
