"""What a test raises when a simulated run of it failed: its text is the report (DESIGN section 7)."""

from __future__ import annotations

import os
import re
import shlex
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import attrs
import trio

from runtime.sim.evidence import REPLAY, write_evidence
from runtime.sim.report import Report
from runtime.sim.report_text import Failure, failure_text

_LINKED = {"tape": "latest.tape.json", "diagram": "latest.svg"}
_SIMULATOR = str(Path(__file__).parent)
_TRIO = str(Path(trio.__file__).parent)


class SimulationFailed(AssertionError):
    """The text is the report, under 15 lines; its cause is what the test raised, if it raised anything."""

    def __init__(self, text: str, report: Report | None = None) -> None:
        super().__init__(text)
        self.report = report
        """Of the smallest run that fails; None when there is no single one."""


def failed(report: Report, failure: Failure) -> SimulationFailed:
    """To be raised from `cause(report)`."""
    return SimulationFailed(failure_text(failure), report)


def cause(report: Report) -> BaseException | None:
    """What the test raised, with a traceback that begins in the test."""
    error = report.error
    if error is None:
        return None
    traceback: TracebackType | None = error.__traceback__
    while traceback is not None and _is_ours(traceback):
        traceback = traceback.tb_next
    return error.with_traceback(traceback or error.__traceback__)


def _is_ours(traceback: TracebackType) -> bool:
    return traceback.tb_frame.f_code.co_filename.startswith((_SIMULATOR, _TRIO))


def leave_evidence(
    report: Report,
    test: str,
    *,
    shrunk: str = "",
    replay: str | None = None,
    folder: Path | None = None,
) -> Failure:
    """The files of the run (`runtime.sim.evidence`), and links `latest.*` to them where there are links.

    `replay` is the function with which a pytest file repeats the run; without, there is no such file, because the test
    needs more than a world. Raises OSError.
    """
    failure = write_evidence(report, test, folder=folder, shrunk=shrunk, replay=replay or REPLAY)
    if replay is None:
        Path(failure.pytest).unlink()
        failure = attrs.evolve(failure, pytest="")
    for field, link in _LINKED.items():
        _link(Path(getattr(failure, field)), link)
    return failure


def _link(file: Path, name: str) -> None:
    latest = file.with_name(name)
    with suppress(OSError, NotImplementedError):  # a file system without links
        latest.unlink(missing_ok=True)
        latest.symlink_to(file.name)


def current_test(otherwise: str) -> str:
    """The id of the test that pytest runs, in which each set of parameters has its own."""
    return os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" ")[0] or otherwise


def file_safe(test: str) -> str:
    """The id of a test whose parameters can be part of the name of a file."""
    name, bracket, parameters = test.partition("[")
    return name + re.sub(r"\W+", "_", bracket + parameters)


def pytest_command(tape: str, test: str) -> str:
    """Runs the test of that id on the tape alone."""
    return f"NECTAR_SIM_TAPE={shlex.quote(tape)} pytest {shlex.quote(test)}"
