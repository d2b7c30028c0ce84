"""What `nectar sim` does: run, replay, shrink, diff, draw, export-pytest. Its words are in `runtime.cli_sim`."""

from __future__ import annotations

import argparse
import shlex
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

import attrs

from kernel.errors import ProgramError
from kernel.jsontext import dump
from runtime.command_error import USAGE, CommandError
from runtime.sim.causes import causal_past
from runtime.sim.diff import first_difference
from runtime.sim.evidence import FOLDER, LOG, TAPE, end_of_boot, failure_of, stem_of, tape_of, write_course
from runtime.sim.explore import SeededRun, Summary, explore
from runtime.sim.log_file import BadLog, LogEntry, log_of, read_log
from runtime.sim.named_tests import NoSuchTest
from runtime.sim.pictures.compose import HIDDEN, picture_of
from runtime.sim.pictures.mermaid import mermaid
from runtime.sim.pictures.model import cut
from runtime.sim.pictures.svg import svg
from runtime.sim.replay_record import RecordUnreadable, is_record, replay_record
from runtime.sim.report import Report, Verdict
from runtime.sim.report_text import Failure, export_pytest, failure_text, faults_in, last_line
from runtime.sim.run import nondeterministic
from runtime.sim.scenarios.table import BadScenario
from runtime.sim.shrink import Budget
from runtime.sim.shrunk_run import evidence_of
from runtime.sim.simulation_failed import cause
from runtime.sim.step_text import NoSuchStep, step_text
from runtime.sim.subject import AS_THE_TEST_SAYS, Subject, find_subject, run_seed
from runtime.sim.tape_file import BadTape, Tape, read_tape
from sys_processes.app_store.fields import PackageError

EXIT_CODES = {
    Verdict.OK: 0,
    Verdict.VIOLATED: 1,
    Verdict.ERROR: 1,
    Verdict.VACUOUS: 2,
    Verdict.NONDETERMINISTIC: 3,
    Verdict.DEADLOCK: 4,
    Verdict.LIVELOCK: 5,
}
SAME, DIFFERENT = 0, 1
MOST_FAULTS = 8
LONGEST_LINE = 400
"""Of a traceback: a message may be as long as a file."""


def command(arguments: argparse.Namespace) -> int:
    """The exit code. Raises `CommandError`."""
    # As with `python -m`, so that a test finds what it imports.
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)
    try:
        return _COMMANDS[arguments.sim_command](arguments)
    except (NoSuchTest, BadScenario, BadTape, BadLog, NoSuchStep) as error:
        raise CommandError(str(error), f"nectar sim {arguments.sim_command} --help", USAGE) from None
    except OSError as error:
        problem = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        raise CommandError(problem, f"nectar sim {arguments.sim_command} --help", USAGE) from None


def _subject(name: str, faults: str = AS_THE_TEST_SAYS, until: float | None = None) -> Subject:
    """Raises `CommandError`, `NoSuchTest`, `BadScenario`."""
    try:
        return find_subject(name, faults=faults, until=until)
    except (NoSuchTest, BadScenario, OSError):
        raise
    except Exception as error:  # noqa: BLE001 - whatever the file raises as it is imported
        _show_traceback(error)
        problem = f"{name} cannot be imported: {type(error).__name__}: {error}"
        raise CommandError(problem, f"python {name.partition('::')[0]}", USAGE) from None


def _write(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


# -- run


def _run(arguments: argparse.Namespace) -> int:
    subject = _subject(arguments.file, arguments.faults, arguments.until)
    if arguments.seeds is not None:
        return _search(subject, arguments)
    seed = subject.seed if arguments.seed is None else arguments.seed
    return _found(subject, subject.run_twice(seed), arguments)


def _search(subject: Subject, arguments: argparse.Namespace) -> int:
    first, last = arguments.seeds
    options = {"name": subject.name, "faults": subject.faults, "until": subject.until, "twice": first}
    summary = explore(
        SeededRun(subject.name, run_seed, options),
        range(first, last + 1),
        jobs=arguments.jobs,
        progress=None if arguments.json else sys.stderr,
    )
    if not arguments.json:
        _write(summary.text())
    failure = summary.first_failure
    if failure is not None and failure.digest:
        again = subject.run_twice if failure.verdict == Verdict.NONDETERMINISTIC else subject.run
        return _found(subject, again(failure.seed), arguments, summary)
    verdict = Verdict.OK if failure is None else Verdict(failure.verdict)
    seeds = f"{first}-{last}" if failure is None else str(failure.seed)
    if failure is not None:
        sys.stderr.write(failure.error)
    if arguments.json:
        _write(dump(_summed(summary) | {"verdict": verdict.value, "seed": seeds}).decode())
    _end(last_line(summary.digest, seeds, verdict), arguments)
    return EXIT_CODES[verdict]


def _found(
    subject: Subject, report: Report, arguments: argparse.Namespace, summary: Summary | None = None
) -> int:
    """Tell what a run came to, and leave its files."""
    if report.verdict is Verdict.OK:
        files = _leave_course(subject, report)
        text, failure = (
            "\n".join([*_went_well(report), *(f"{what}: {file}" for what, file in files.items())]),
            None,
        )
        last = report
    else:
        _show_error(report)
        evidence = evidence_of(subject, report, _budget(arguments))
        last, failure = evidence.report, evidence.failure
        text, _, _ = failure_text(failure).rpartition("\n")
        files = {}
    if arguments.json:
        shown = _as_json(last, files if failure is None else _files(failure))
        _write(dump(shown | ({} if summary is None else _summed(summary))).decode())
    else:
        _write(text)
    _end(last.last_line(), arguments)
    return EXIT_CODES[report.verdict]


def _show_error(report: Report) -> None:
    error = None if report.verdict is Verdict.VACUOUS else cause(report)
    if error is not None:
        _show_traceback(error)


def _show_traceback(error: BaseException) -> None:
    for line in "".join(traceback.format_exception(error)).splitlines():
        sys.stderr.write(f"{cut(line, LONGEST_LINE)}\n")


def _end(line: str, arguments: argparse.Namespace) -> None:
    """The last line of every run; beside JSON it goes where it does not disturb."""
    if arguments.json:
        sys.stderr.write(f"{line}\n")
    else:
        _write(line)


def _budget(arguments: argparse.Namespace) -> Budget | None:
    if not arguments.shrink:
        return None
    return Budget(attempts=arguments.attempts, seconds=arguments.seconds, clock=time.monotonic)


def _leave_course(subject: Subject, report: Report) -> dict[str, str]:
    stem = Path(FOLDER) / stem_of(subject.name, report.seed)
    stem.parent.mkdir(parents=True, exist_ok=True)
    write_course(report, stem, tape_of(report, subject.name, faults=subject.faults, until=subject.until))
    return {"tape": f"{stem}{TAPE}", "log": f"{stem}{LOG}"}


def _went_well(report: Report) -> list[str]:
    entries = log_of(report.trace)
    faults = faults_in(entries)
    nodes = len({entry.node for entry in entries if entry.node})
    counts = (
        _counted(nodes, "node"),
        _counted(len(entries), "entry", "entries"),
        f"{report.at:.3f} s of virtual time",
        _counted(len(faults), "fault"),
    )
    lines = [f"ok: {', '.join(counts)}"]
    lines += [fault.line() for fault in faults[:MOST_FAULTS]]
    if len(faults) > MOST_FAULTS:
        lines.append(f"             and {len(faults) - MOST_FAULTS} faults more")
    lines += [f"covered {goal}: {count} times" for goal, count in report.cover.items() if count]
    return lines


def _counted(count: int, what: str, many: str = "") -> str:
    return f"{count} {what if count == 1 else many or what + 's'}"


def _files(failure: Failure) -> dict[str, str]:
    named = {
        "tape": failure.tape,
        "diagram": failure.diagram,
        "pytest": failure.pytest,
        "scenario": failure.scenario,
    }
    return {what: file for what, file in named.items() if file}


def _as_json(report: Report, files: dict[str, str]) -> dict[str, object]:
    violation, error = report.violation, report.error
    return {
        "verdict": report.verdict.value,
        "seed": report.seed,
        "digest": report.digest,
        "at": report.at,
        "violation": None
        if violation is None
        else {"name": violation.name, "at": violation.at, "text": violation.text},
        "error": None if error is None else f"{type(error).__name__}: {error}",
        "faults": list(report.faults),
        "waiting": list(report.waiting),
        "cover": dict(report.cover),
        "files": files,
    }


def _summed(summary: Summary) -> dict[str, object]:
    return {
        "runs": summary.runs,
        "asked": summary.asked,
        "verdicts": summary.verdicts,
        "covered_by": summary.covered_by,
        "failures": [
            {"seed": one.seed, "verdict": one.verdict, "violation": one.violation} for one in summary.failures
        ],
    }


# -- replay, shrink


def _replay(arguments: argparse.Namespace) -> int:
    if is_record(arguments.tape):
        return _replay_record(arguments)
    if arguments.packages:
        problem = (
            f"{arguments.tape} is a tape, whose test finds its packages itself: --package goes with a record"
        )
        raise CommandError(problem, f"nectar sim replay {arguments.tape} --loose", USAGE)
    tape = read_tape(arguments.tape)
    subject = _subject(tape.test, tape.faults, tape.until)
    report = _replayed(subject, tape, strict=not arguments.loose)
    entries = log_of(report.trace)
    lines = [f"note: the tape is of {change}" for change in tape.versions_differ()]
    if arguments.step is not None:
        lines.append(step_text(entries, arguments.step))
    if report.verdict is Verdict.OK:
        lines += _went_well(report)
    else:
        _show_error(report)
        text, _, _ = failure_text(failure_of(report, entries)).rpartition("\n")
        lines.append(text)
    _write(*lines, report.last_line())
    return EXIT_CODES[report.verdict]


def _replay_record(arguments: argparse.Namespace) -> int:
    """What `nectar boot --record` wrote down of a real node."""
    try:
        found = replay_record(arguments.tape, step=arguments.step, packages=arguments.packages)
    except RecordUnreadable as error:
        raise CommandError(str(error), "nectar boot --record FILE", USAGE) from None
    except (PackageError, ProgramError) as error:
        raise CommandError(str(error), f"nectar sim replay {arguments.tape}", USAGE) from None
    _write(found.text().rstrip("\n"))
    return found.exit_code


def _replayed(subject: Subject, tape: Tape, *, strict: bool) -> Report:
    """A `strict` one that ends in another digest is nondeterministic, too."""
    report = subject.replay(tape, strict=strict)
    if strict and tape.digest not in {"", report.digest} and report.verdict is not Verdict.NONDETERMINISTIC:
        text = f"the tape was made with the digest {tape.digest[:16]}, now it is {report.digest[:16]}"
        return nondeterministic(report, f"{text}: the code has changed; --loose follows it as far as it fits")
    return report


def _shrink(arguments: argparse.Namespace) -> int:
    tape = read_tape(arguments.tape)
    subject = _subject(tape.test, tape.faults, tape.until)
    report = subject.replay(tape, strict=False)
    if report.verdict is Verdict.OK:
        raise CommandError(
            f"{arguments.tape}: the run is ok, and there is nothing to shrink",
            f"nectar sim replay {arguments.tape}",
            USAGE,
        )
    return _found(subject, report, arguments)


# -- diff, draw, export-pytest


@attrs.frozen
class _Course:
    name: str
    title: str
    subtitle: str
    entries: Sequence[LogEntry]


def _course(path: Path) -> _Course:
    """Of a log, or of a tape, which is replayed for it."""
    if path.name.endswith(LOG):
        log = read_log(path)
        head = log.header
        subtitle = f"{head.verdict} · seed {head.seed} · digest {head.digest[:16]}"
        return _Course(str(path), head.test or path.name, subtitle, log.entries)
    tape = read_tape(path)
    report = _subject(tape.test, tape.faults, tape.until).replay(tape, strict=False)
    return _of_report(str(path), tape.test, report)


def _of_report(name: str, test: str, report: Report) -> _Course:
    subtitle = f"{report.verdict} at {report.at:.3f} s · seed {report.seed} · digest {report.digest[:16]}"
    violation = report.violation
    title = test if violation is None else f"{test}: {violation.name}"
    return _Course(name, title, subtitle, log_of(report.trace))


def _diff(arguments: argparse.Namespace) -> int:
    left, right = _two_courses(arguments)
    found = first_difference(left.entries, right.entries)
    if found is None:
        _write(f"no difference in {len(left.entries)} entries")
        return SAME
    _write(found.text(left.name, right.name))
    return DIFFERENT


def _two_courses(arguments: argparse.Namespace) -> tuple[_Course, _Course]:
    if arguments.seed is None:
        if len(arguments.runs) != 2:
            raise CommandError(
                f"two runs are compared, and {len(arguments.runs)} is named", "nectar sim diff A B", USAGE
            )
        left, right = (_course(path) for path in arguments.runs)
        return left, right
    if len(arguments.runs) != 1:
        raise CommandError("with --seed one test is named", "nectar sim diff FILE --seed 1 2", USAGE)
    name = str(arguments.runs[0])
    subject = _subject(name)
    left, right = (_of_report(f"seed {seed}", name, subject.run(seed)) for seed in arguments.seed)
    return left, right


def _draw(arguments: argparse.Namespace) -> int:
    course = _course(arguments.run)
    only = None
    if arguments.past is not None:
        try:
            only = [entry.number for entry in causal_past(course.entries, arguments.past)]
        except KeyError:
            raise NoSuchStep(
                f"{course.name} has no entry {arguments.past}: it has {len(course.entries)}"
            ) from None
    elif not arguments.boot:
        booted = end_of_boot(course.entries)
        only = [entry.number for entry in course.entries if entry.number > booted]
    picture = picture_of(
        course.entries,
        title=course.title,
        subtitle=course.subtitle,
        hidden=(*HIDDEN, *arguments.hide),
        only=only,
        ending=arguments.ending,
    )
    if arguments.mermaid:
        _write(mermaid(picture).rstrip("\n"))
        return 0
    file = arguments.svg or arguments.run.with_name(f"{_bare(arguments.run)}.svg")
    file.write_text(svg(picture), encoding="utf-8")
    _write(f"drawn: {file}")
    return 0


def _bare(path: Path) -> str:
    return path.name.removesuffix(TAPE).removesuffix(LOG)


def _export_pytest(arguments: argparse.Namespace) -> int:
    tape = read_tape(arguments.tape)
    if tape.verdict == Verdict.OK:
        raise CommandError(
            f"{arguments.tape} is of a run that ended well, and the file would be a test that fails like it",
            f"nectar sim replay {shlex.quote(str(arguments.tape))}",
        )
    source = export_pytest(tape, replay="runtime.sim.subject:replay_test")
    if arguments.output is None:
        _write(source.rstrip("\n"))
    else:
        arguments.output.write_text(source, encoding="utf-8")
        _write(f"written: {arguments.output}")
    return 0


_COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "run": _run,
    "replay": _replay,
    "shrink": _shrink,
    "diff": _diff,
    "draw": _draw,
    "export-pytest": _export_pytest,
}
