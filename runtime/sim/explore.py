"""One test under many seeds, on all cores: each seed a world of its own, in processes that share nothing.

Seeds are handed out in order. When one fails, those before it that are still running are waited for: so what is
reported is the first seed that fails, and not the one that happened to be quick.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkContext, SpawnContext
from multiprocessing.process import BaseProcess
from multiprocessing.reduction import ForkingPickler
from typing import Protocol, TextIO, TypeAlias

import attrs

from runtime.sim.choices import Choice
from runtime.sim.named_tests import AnyTest, find_test, name_of
from runtime.sim.progress import STEP_SECONDS, ProgressBar

OK = "ok"
ERROR = "error"
LAST_SECONDS = 2.0
"""For a process that is told to end."""
AT_ONCE = 2
"""Seeds that a process has at a time, so that it never waits for the next."""


@attrs.frozen
class RunResult:
    """What is left of a run when it comes from another process. `error` is the traceback of a run that could not be
    made, or what became of its process.
    """

    seed: int
    verdict: str
    digest: str = ""
    violation: str = ""
    cover: dict[str, int] = attrs.Factory(dict)
    choices: tuple[Choice, ...] = ()
    error: str = ""

    @property
    def failed(self) -> bool:
        return self.verdict != OK


Context: TypeAlias = ForkContext | SpawnContext
Attempt = Callable[[int], RunResult]
"""Runs the test with that seed. In another process it is found by its name, or inherited."""


class ViolationLike(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def text(self) -> str: ...


class ReportLike(Protocol):
    """What a run comes to, as far as it is of interest here."""

    @property
    def verdict(self) -> str: ...
    @property
    def seed(self) -> int: ...
    @property
    def digest(self) -> str: ...
    @property
    def tape(self) -> Sequence[Choice]: ...
    @property
    def violation(self) -> ViolationLike | None: ...
    @property
    def error(self) -> BaseException | None: ...
    @property
    def cover(self) -> Mapping[str, int]: ...


def result_of(report: ReportLike) -> RunResult:
    """What can leave the process. The choices are kept of runs that failed."""
    found, error = report.violation, report.error
    violation = "" if found is None else f"{found.name}: {found.text}" if found.text else found.name
    choices = tuple(report.tape) if report.verdict != OK else ()
    shown = "" if error is None else "".join(traceback.format_exception(error))
    return RunResult(
        report.seed, str(report.verdict), report.digest, violation, dict(report.cover), choices, shown
    )


@attrs.frozen
class SeededRun:
    """An attempt: `run(test, seed=seed, **options)`. `test` is a name for `find_test`, for processes that are started
    from scratch, or the function.
    """

    test: str | AnyTest
    run: Callable[..., ReportLike]
    options: Mapping[str, object] = attrs.Factory(dict)

    @classmethod
    def of(cls, test: AnyTest, run: Callable[..., ReportLike], **options: object) -> SeededRun:
        """By name if it has one."""
        return SeededRun(name_of(test) or test, run, options)

    def __call__(self, seed: int) -> RunResult:
        test = find_test(self.test) if isinstance(self.test, str) else self.test
        return result_of(self.run(test, seed=seed, **self.options))


@attrs.frozen
class Summary:
    """`failures` in the order of seeds. `cover` counts over all runs, `covered_by` in how many runs each goal was met.

    `note` says what kept the search from using all cores, `digest` is over those of all runs.
    """

    runs: int
    asked: int
    failures: tuple[RunResult, ...]
    verdicts: dict[str, int]
    cover: dict[str, int]
    covered_by: dict[str, int]
    seconds: float
    jobs: int
    note: str = ""
    digest: str = ""

    @property
    def first_failure(self) -> RunResult | None:
        return self.failures[0] if self.failures else None

    def text(self) -> str:
        """For people, ending without a newline."""
        rate = self.runs / self.seconds if self.seconds else 0.0
        verdicts = ", ".join(f"{count} {verdict}" for verdict, count in sorted(self.verdicts.items()))
        of = "" if self.runs == self.asked else f" of {self.asked}"
        speed = f"{rate:.1f}/s, {self.jobs} at a time"
        lines = [f"{self.runs}{of} seeds in {self.seconds:.1f} s ({speed}): {verdicts or 'none run'}"]
        if self.note:
            lines.append(f"note: {self.note}")
        for goal, count in sorted(self.cover.items()):
            lines.append(f"  covered {goal}: {count} times, in {self.covered_by[goal]} runs")
        for failure in self.failures[:5]:
            what = failure.violation or failure.error.strip().rpartition("\n")[2]
            lines.append(f"  seed {failure.seed}: {failure.verdict}{': ' if what else ''}{what}")
        if len(self.failures) > 5:
            lines.append(f"  and {len(self.failures) - 5} seeds more")
        return "\n".join(lines)


def explore(
    attempt: Attempt,
    seeds: Iterable[int],
    *,
    jobs: int | None = None,
    stop_at_first: bool = True,
    progress: TextIO | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Summary:
    """`jobs` is by default the number of cores this process may use. `progress` gets a bar if it is a terminal.

    A run that raises, or whose process dies, is a failure with its seed. Raises KeyboardInterrupt; then, as always, no
    process is left.
    """
    todo = list(dict.fromkeys(seeds))
    wanted = min(jobs or _cores(), max(1, len(todo)))
    context, note = _context(attempt) if wanted > 1 else (None, "")
    if context is None:
        wanted = 1
    search = _Search(todo, stop_at_first, ProgressBar(progress, len(todo), clock))
    began = clock()
    try:
        if context is None:
            search.here(attempt)
        else:
            search.apart(attempt, context, wanted)
    finally:
        search.bar.end()
    return search.summary(clock() - began, wanted, note)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _context(attempt: Attempt) -> tuple[Context | None, str]:
    """How to start processes: forked if this one has no other thread, else from scratch if they can find the test."""
    if "fork" in multiprocessing.get_all_start_methods() and threading.active_count() == 1:
        return multiprocessing.get_context("fork"), ""
    try:
        ForkingPickler.dumps(attempt)
    except Exception as error:  # noqa: BLE001 - whatever keeps it from being sent
        return (
            None,
            f"in one process, because no other can find the test ({error}): make it a function of a module",
        )
    return multiprocessing.get_context("spawn"), ""


# -- in the processes


def _serve(pipe: Connection, attempt: Attempt, others: Sequence[Connection]) -> None:
    """Until there are no more seeds, or nobody is there any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the one that started it ends it
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for other in others:
        other.close()
    try:
        while (seed := pipe.recv()) is not None:
            pipe.send(_one(attempt, seed))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return


def _one(attempt: Attempt, seed: int) -> RunResult:
    try:
        return attempt(seed)
    except Exception:  # noqa: BLE001 - it is the outcome of that seed
        return RunResult(seed, ERROR, error=traceback.format_exc())


@attrs.define(eq=False)
class _Worker:
    process: BaseProcess
    pipe: Connection
    has: list[int] = attrs.Factory(list)
    """Seeds, of which the first is being run."""


# -- in this one


class _Search:
    def __init__(self, seeds: Sequence[int], stop_at_first: bool, bar: ProgressBar) -> None:
        self._seeds = seeds
        self._stop_at_first = stop_at_first
        self._place = {seed: place for place, seed in enumerate(seeds)}
        self._next = 0
        self._back: list[int] = []
        self._results: dict[int, RunResult] = {}
        self._failed = 0
        self._until = len(seeds)
        """The place of the first failure, if it is to stop there: what is behind it is of no interest."""
        self.bar = bar

    # -- here

    def here(self, attempt: Attempt) -> None:
        while (seed := self._take()) is not None:
            self._done(_one(attempt, seed))

    # -- in other processes

    def apart(self, attempt: Attempt, context: Context, jobs: int) -> None:
        workers: list[_Worker] = []
        try:
            for _ in range(jobs):
                workers.append(self._start(attempt, context, workers))
            while busy := [worker for worker in workers if self._awaits(worker)]:
                self._hear(attempt, context, workers, busy)
        finally:
            _end(workers)

    def _start(self, attempt: Attempt, context: Context, workers: Sequence[_Worker]) -> _Worker:
        near, far = context.Pipe()
        others = [worker.pipe for worker in workers] + [near] if context.get_start_method() == "fork" else []
        process = context.Process(target=_serve, args=(far, attempt, others), daemon=True)
        process.start()
        far.close()
        worker = _Worker(process, near)
        for _ in range(AT_ONCE):
            self._give(worker)
        return worker

    def _give(self, worker: _Worker) -> None:
        seed = self._take()
        if seed is None:
            return
        worker.has.append(seed)
        with suppress(BrokenPipeError, ConnectionResetError):  # it is dead, which is heard next
            worker.pipe.send(seed)

    def _hear(
        self, attempt: Attempt, context: Context, workers: list[_Worker], busy: Sequence[_Worker]
    ) -> None:
        ready = wait([worker.pipe for worker in busy], timeout=STEP_SECONDS)
        self.bar.show(len(self._results), self._failed)
        for worker in busy:
            if worker.pipe not in ready:
                continue
            try:
                result = worker.pipe.recv()
            except (EOFError, ConnectionResetError):
                self._bury(worker)
                workers.remove(worker)
                if self._wanted():
                    workers.append(self._start(attempt, context, workers))
                continue
            worker.has.remove(result.seed)
            self._done(result)
            self._give(worker)

    def _bury(self, worker: _Worker) -> None:
        """What it was running is a failure; what it had not begun is run by another."""
        worker.process.join(LAST_SECONDS)
        seed, *rest = worker.has
        code = worker.process.exitcode
        died = f"by signal {-code}" if code is not None and code < 0 else f"with exit code {code}"
        self._done(RunResult(seed, ERROR, error=f"its process died {died} while it ran seed {seed}"))
        worker.pipe.close()
        self._back += rest

    # -- seeds

    def _awaits(self, worker: _Worker) -> bool:
        return any(self._place[seed] < self._until for seed in worker.has)

    def _wanted(self) -> bool:
        return bool(self._back) or self._next < min(self._until, len(self._seeds))

    def _take(self) -> int | None:
        while self._back:
            seed = self._back.pop(0)
            if self._place[seed] < self._until:
                return seed
        if self._next >= min(self._until, len(self._seeds)):
            return None
        self._next += 1
        return self._seeds[self._next - 1]

    def _done(self, result: RunResult) -> None:
        self._results[result.seed] = result
        self._failed += result.failed
        if result.failed and self._stop_at_first:
            self._until = min(self._until, self._place[result.seed])
        self.bar.show(len(self._results), self._failed)

    def _counted(self) -> Iterator[RunResult]:
        """In the order of seeds, up to the first failure if it stopped there."""
        for place, seed in enumerate(self._seeds):
            if seed in self._results and place <= self._until:
                yield self._results[seed]

    def summary(self, seconds: float, jobs: int, note: str) -> Summary:
        results = list(self._counted())
        cover: Counter[str] = Counter()
        covered_by: Counter[str] = Counter()
        for result in results:
            cover.update(result.cover)
            covered_by.update(goal for goal, count in result.cover.items() if count)
        return Summary(
            runs=len(results),
            asked=len(self._seeds),
            failures=tuple(result for result in results if result.failed),
            verdicts=dict(Counter(result.verdict for result in results)),
            cover=dict(cover),
            covered_by={goal: covered_by[goal] for goal in cover},
            seconds=seconds,
            jobs=jobs,
            note=note,
            digest=_digest_of(results),
        )


def _digest_of(results: Sequence[RunResult]) -> str:
    lines = (f"{result.seed} {result.verdict} {result.digest}\n" for result in results)
    return sha256("".join(lines).encode()).hexdigest()


def _end(workers: Sequence[_Worker]) -> None:
    """None is left, whatever they do."""
    for worker in workers:
        if worker.has:
            worker.process.terminate()
        worker.pipe.close()
    for worker in workers:
        worker.process.join(LAST_SECONDS)
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join()
        worker.process.close()
