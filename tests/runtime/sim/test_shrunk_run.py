from __future__ import annotations

import subprocess
import sys

from runtime.sim.shrink import Budget
from runtime.sim.shrunk_run import evidence_of
from runtime.sim.subject import find_subject, subject_of
from runtime.sim.tape_file import read_tape
from tests.support.live_process import ROOT
from tests.support.scenarios import ASKING, scenario

FAILS = "tests/support/sim_subjects.py::fails_sometimes"


def first_failure(name: str = FAILS):
    subject = find_subject(name)
    return subject, next(r for r in map(subject.run, range(50)) if r.verdict == "violated")


def test_a_failure_is_shrunk_and_its_files_tell_of_the_smallest(tmp_path):
    subject, failed = first_failure()
    found = evidence_of(subject, failed, Budget(), tmp_path)
    tape = read_tape(tmp_path / f"fails_sometimes-{failed.seed}.tape.json")
    assert tape.digest == found.report.digest
    assert [(c.label, c.value) for c in tape.choices if c.value and "lost" in c.label] == [
        ("lost packet", 501)
    ] * 2
    assert [c.value for c in tape.choices if c.label == "late"] == [1]
    assert "choices -> 3, for faults " in found.failure.shrunk
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".jsonl", ".svg", ".py"}


def test_without_a_budget_it_is_left_as_it_was_found(tmp_path):
    subject, failed = first_failure()
    found = evidence_of(subject, failed, None, tmp_path)
    assert (found.report.digest, found.failure.shrunk) == (failed.digest, "")


def test_the_pytest_file_fails_as_the_run_did(tmp_path):
    subject, failed = first_failure()
    found = evidence_of(subject, failed, Budget(), tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--rootdir", str(tmp_path), found.failure.pytest],
        cwd=ROOT, env={"PYTHONPATH": str(ROOT), "PATH": ""}, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "violated: both" in done.stdout


def test_a_scenario_is_written_back_beside_them(tmp_path):
    subject = subject_of(
        scenario(ASKING + '[[check]]\nkind = "never"\nmatch = { ipc = "saying 2" }'), "a/s.toml"
    )
    found = evidence_of(subject, subject.run(3), Budget(), tmp_path)
    assert found.failure.scenario == str(tmp_path / "s-3.toml")
    assert (tmp_path / "s-3.toml").read_text().startswith("# What is left of s.toml with seed 3.")


def test_what_fails_only_once_is_not_shrunk(tmp_path):
    subject = find_subject("tests/support/sim_subjects.py::breaks_an_assertion")
    report = subject.run(1)
    other = find_subject("tests/support/sim_subjects.py::goes_well")
    found = evidence_of(other, report, Budget(), tmp_path)
    assert found.failure.shrunk.startswith("not shrunk: the tape of")
