"""From a run that failed to what people look at: the smallest run that fails the same way, and its files."""

from __future__ import annotations

from pathlib import Path

import attrs

from runtime.sim.choices import Source
from runtime.sim.evidence import FOLDER, stem_of, write_evidence
from runtime.sim.report import Report, Verdict
from runtime.sim.report_text import Failure
from runtime.sim.scenario import Scenario
from runtime.sim.scenarios.shrunk import written_back
from runtime.sim.shrink import Budget, FailureLost, attempt_like, shrink
from runtime.sim.subject import Subject
from runtime.sim.tape_file import Tape

_SHRINKS = (Verdict.VIOLATED, Verdict.ERROR, Verdict.DEADLOCK, Verdict.LIVELOCK)
REPLAY = "runtime.sim.subject:replay_test"


@attrs.frozen
class Evidence:
    report: Report
    failure: Failure


def shrunk(subject: Subject, failed: Report, budget: Budget) -> tuple[Report, str]:
    """The smallest run that fails the same way, and how small it became, in words. Raises `FailureLost`."""

    def rerun(source: Source) -> Report:
        return subject.run(failed.seed, source)

    found = shrink(failed.tape, attempt_like(failed, rerun), budget=budget)
    tape = Tape(subject.name, failed.seed, found.tape)
    return subject.replay(tape, strict=False), found.line()


def evidence_of(
    subject: Subject, failed: Report, budget: Budget | None, folder: Path | None = None
) -> Evidence:
    """The files of the failure, in `folder`, by default `.nectar-sim`; shrunk before, if there is a budget and it can
    be. Raises OSError.
    """
    folder = folder or Path(FOLDER)
    report, line = failed, ""
    if budget is not None and failed.verdict in _SHRINKS:
        try:
            report, line = shrunk(subject, failed, budget)
        except FailureLost as lost:
            line = f"not shrunk: {lost}"
    folder.mkdir(parents=True, exist_ok=True)
    failure = write_evidence(
        report,
        subject.name,
        folder=folder,
        shrunk=line,
        replay=REPLAY,
        faults=subject.faults,
        until=subject.until,
        scenario=_as_scenario(subject, report, folder),
    )
    return Evidence(report, failure)


def _as_scenario(subject: Subject, report: Report, folder: Path) -> str:
    """The file, or nothing where no scenario fails as the run did."""
    test = subject.test
    if not isinstance(test, Scenario) or report.verdict not in _SHRINKS:
        return ""
    text = written_back(subject, test, report, folder)
    if text is None:
        return ""
    path = folder / f"{stem_of(subject.name, report.seed)}.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)
