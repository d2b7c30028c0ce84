"""What a failed run raises, and the links to what it leaves."""

from __future__ import annotations

from pathlib import Path

import attrs

from runtime.sim.report import Verdict
from runtime.sim.report_text import failure_text
from runtime.sim.run import run
from runtime.sim.simulation_failed import (
    cause,
    current_test,
    failed,
    file_safe,
    leave_evidence,
    pytest_command,
)
from tests.support.worlds import echo


async def wrong(w):
    node = await w.node("alice.nec", [echo])
    assert (await node.ask("echo", b"hi")).ipc == b"ho"


def test_the_links_are_to_the_latest_failure(tmp_path):
    report = run(wrong)
    for seed in (0, 1):
        leave_evidence(attrs.evolve(report, seed=seed), "t.py::test_wrong", folder=tmp_path, replay="a:b")
    assert (tmp_path / "latest.tape.json").readlink() == Path("wrong-1.tape.json")
    assert (tmp_path / "latest.svg").readlink() == Path("wrong-1.svg")
    assert (tmp_path / "test_wrong_0.py").exists()


def test_a_run_that_needs_more_than_a_world_leaves_no_pytest_file(tmp_path):
    failure = leave_evidence(run(wrong), "t.py::test_wrong[3]", folder=tmp_path)
    assert failure.pytest == ""
    assert not list(tmp_path.glob("*.py"))
    command = pytest_command(failure.tape, "t.py::test_wrong[3]")
    assert command == f"NECTAR_SIM_TAPE={failure.tape} pytest 't.py::test_wrong[3]'"
    assert f"again: {command}" in failure_text(attrs.evolve(failure, again=command))


def test_the_cause_is_the_tests_own_error_and_nobody_waits_any_more(tmp_path):
    report = run(wrong)
    error = cause(report)
    assert error is report.error
    assert error.__traceback__ is not None
    assert error.__traceback__.tb_frame.f_code is wrong.__code__
    assert cause(attrs.evolve(report, error=None)) is None
    assert report.waiting == ()
    raised = failed(report, leave_evidence(report, "wrong", folder=tmp_path))
    assert isinstance(raised, AssertionError)
    assert raised.report is report
    assert report.verdict is Verdict.VIOLATED


def test_pytest_names_the_test_that_runs(monkeypatch):
    assert current_test("x").endswith("::test_pytest_names_the_test_that_runs")
    monkeypatch.delenv("PYTEST_CURRENT_TEST")
    assert current_test("x") == "x"


def test_parameters_of_any_kind_can_be_in_the_name_of_a_file():
    assert file_safe("a/test_b.py::test_c") == "a/test_b.py::test_c"
    assert file_safe("a/test_b.py::test_c[0.5-x::y/z]") == "a/test_b.py::test_c_0_5_x_y_z_"
