"""A sample of `scripts/sim`: the workloads of the zoo hold, its bugs are found, and the page about them is right."""

from __future__ import annotations

import pytest

from kernel.router import Router
from tests.simulation.zoo import hunt
from tests.simulation.zoo.bugs import BUGS, WORKLOADS
from tests.simulation.zoo.hunt import MOST_FAULTS, MOST_SEEDS, course, shown_by, table_rows

SEEDS = 10
SAMPLE = (
    "dead letter lost",
    "timer forgotten",
    "acknowledged before flush",
    "duplicates taken",
    "close told twice",
)
"""Bugs of five parts, each looked for with the seed that found it."""
NAMES = {bug.name: bug for bug in BUGS}


@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda workload: workload.__name__)
def test_a_workload_holds_without_a_bug(workload) -> None:
    for seed in range(SEEDS):
        report = course(workload, seed)
        assert not report.is_failure, (seed, report.verdict, report.violation, report.error)


@pytest.mark.parametrize("name", SAMPLE)
def test_a_bug_is_found_with_its_seed(name: str) -> None:
    bug = NAMES[name]
    [(*_, shown, seed, _)] = [row for row in table_rows() if row[1] == name]
    with bug.planted():
        report = course(bug.workload, int(seed))
    assert report.is_failure
    assert shown_by(report) == shown


def test_the_page_lists_every_bug_found_in_time_and_with_few_faults() -> None:
    rows = table_rows()
    listed = [(part, name, text, workload) for part, name, text, workload, *_ in rows]
    assert listed == [(bug.part, bug.name, bug.text, bug.workload.__name__) for bug in BUGS]
    assert all(int(seed) < MOST_SEEDS and int(faults) <= MOST_FAULTS for *_, seed, faults in rows)


def test_a_table_is_read_as_it_is_written(tmp_path, monkeypatch) -> None:
    page = tmp_path / "page.md"
    page.write_text(hunt.TABLE.read_text() + "\nThe end.\n")
    monkeypatch.setattr(hunt, "TABLE", page)
    bug = BUGS[0]
    hunt.write_table([hunt.Found(bug, 7, 2, "in time")])
    assert table_rows() == [(bug.part, bug.name, bug.text, bug.workload.__name__, "in time", "7", "2")]
    assert page.read_text().endswith("|\n\nThe end.\n")


def test_there_are_enough_bugs_of_every_part() -> None:
    assert len(NAMES) == len(BUGS) >= 20
    assert {bug.part for bug in BUGS} == {
        "kernel",
        "timer",
        "state",
        "kv",
        "sqlite",
        "vfs",
        "http_client",
        "net",
        "http_server",
        "app",
    }


def test_a_bug_is_gone_behind_its_block() -> None:
    before = dict(vars(Router))
    for bug in BUGS:
        with pytest.raises(KeyError), bug.planted():
            raise KeyError
    assert dict(vars(Router)) == before
