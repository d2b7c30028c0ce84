"""Issue 5, point 5: many seeds on all cores, and the same answer however many there are."""

from __future__ import annotations

import io
import multiprocessing
import os
import signal
import threading
from contextlib import contextmanager

import pytest

from runtime.sim.choices import Choice, Choices, SeedChoices
from runtime.sim.explore import RunResult, SeededRun, explore, result_of
from runtime.sim.named_tests import name_of


def plain(seed):
    value = Choices(SeedChoices(seed)).choose("a", 1000)
    return RunResult(seed, "ok", digest=str(value), cover={"heads" if value % 2 else "tails": 1 + seed % 2})


def fails_at_three(seed):
    """The first failure takes longer than the others."""
    if seed == 3:
        sum(range(3_000_000))
    verdict = "violated" if seed >= 3 else "ok"
    return RunResult(seed, verdict, violation="balance: 3 != 4", choices=(Choice("a", 2, 1),))


def raises(seed):
    if seed == 2:
        raise ValueError(f"no world of seed {seed}")
    return plain(seed)


def dies(seed):
    if seed in {1, 4}:
        os.kill(os.getpid(), signal.SIGKILL)
    if seed == 5:
        os._exit(7)
    return plain(seed)


@contextmanager
def another_thread():
    over = threading.Event()
    thread = threading.Thread(target=over.wait)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Interrupted(Terminal):
    def write(self, text: str) -> int:
        raise KeyboardInterrupt


def test_every_seed_is_run_once_and_its_cover_counted():
    alone, together = (explore(plain, range(20), jobs=jobs) for jobs in (1, 2))
    assert alone.runs == together.runs == 20
    assert alone.cover == together.cover
    assert alone.covered_by == together.covered_by
    assert sum(alone.covered_by.values()) == 20
    assert sum(alone.cover.values()) == 30
    assert (together.jobs, together.verdicts, together.first_failure) == (2, {"ok": 20}, None)
    assert alone.digest == together.digest != explore(plain, range(19), jobs=1).digest


@pytest.mark.parametrize("jobs", [1, 2, 3])
def test_it_stops_at_the_first_seed_that_fails_not_at_the_quickest(jobs):
    summary = explore(fails_at_three, range(1000), jobs=jobs)
    assert summary.first_failure == fails_at_three(3)
    assert (summary.runs, summary.asked) == (4, 1000)
    assert summary.verdicts == {"ok": 3, "violated": 1}


def test_it_collects_all_failures_if_asked_to():
    summary = explore(fails_at_three, range(8), jobs=2, stop_at_first=False)
    assert [failure.seed for failure in summary.failures] == [3, 4, 5, 6, 7]


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_run_that_raises_is_a_failure_with_its_traceback(jobs):
    summary = explore(raises, range(5), jobs=jobs, stop_at_first=False)
    [failure] = summary.failures
    assert (failure.seed, failure.verdict) == (2, "error")
    assert "ValueError: no world of seed 2" in failure.error
    assert "seed 2: error: ValueError: no world of seed 2" in summary.text()


def test_a_process_that_dies_is_an_error_with_the_seed_it_ran_and_the_others_go_on():
    summary = explore(dies, range(8), jobs=2, stop_at_first=False)
    assert summary.runs == 8
    assert [(f.seed, f.error) for f in summary.failures] == [
        (1, "its process died by signal 9 while it ran seed 1"),
        (4, "its process died by signal 9 while it ran seed 4"),
        (5, "its process died with exit code 7 while it ran seed 5"),
    ]
    assert multiprocessing.active_children() == []


def test_an_interrupt_leaves_no_process():
    with pytest.raises(KeyboardInterrupt):
        explore(plain, range(100_000), jobs=2, progress=Interrupted())
    assert multiprocessing.active_children() == []


def test_beside_other_threads_processes_begin_from_scratch():
    with another_thread():
        summary = explore(plain, range(4), jobs=2)
    assert (summary.jobs, summary.note, summary.cover) == (2, "", explore(plain, range(4), jobs=1).cover)


def test_a_test_that_no_other_process_could_find_is_run_here_and_that_is_said():
    def closure(seed):
        return plain(seed)

    with another_thread():
        summary = explore(closure, range(4), jobs=2)
    assert (summary.runs, summary.jobs) == (4, 1)
    assert "make it a function of a module" in summary.note
    assert "note: in one process" in summary.text()


def test_a_terminal_shows_a_bar_and_nothing_else_does():
    seconds = iter(range(1000))
    terminal, file = Terminal(), io.StringIO()
    for out in (terminal, file):
        explore(plain, range(4), jobs=1, progress=out, clock=lambda: float(next(seconds)))
    assert "2/4 seeds, 0 failed" in terminal.getvalue()
    assert terminal.getvalue().endswith("\r")
    assert file.getvalue() == ""


def test_the_summary_is_for_people():
    seconds = iter([0.0, 0.0, *[1.0] * 100, 2.0])
    text = explore(fails_at_three, range(8), jobs=1, clock=lambda: next(seconds, 2.0)).text()
    assert "4 of 8 seeds" in text
    assert "3 ok, 1 violated" in text
    assert "seed 3: violated: balance: 3 != 4" in text


# -- from a test to its attempts


class Broken(Exception):
    name = "balance"
    text = "3 != 4"


class Came:
    """A report as `runtime.sim.run` gives it."""

    error = None

    def __init__(self, test, seed, wanted):
        self.seed, self.digest, self.tape = seed, f"{seed:x}", [Choice("a", 2, 1)]
        self.cover = {"ran": 1}
        self.verdict = "ok" if test(seed) < wanted else "violated"
        self.violation = Broken() if self.verdict == "violated" else None


def run_it(test, *, seed, wanted):
    return Came(test, seed, wanted)


def doubles(seed):
    return 2 * seed


def test_a_test_is_found_by_its_name_in_other_processes():
    attempt = SeededRun.of(doubles, run_it, wanted=6)
    assert attempt.test == name_of(doubles)
    with another_thread():
        summary = explore(attempt, range(5), jobs=2)
    assert summary.first_failure == RunResult(
        3, "violated", "3", "balance: 3 != 4", {"ran": 1}, (Choice("a", 2, 1),)
    )


def test_of_a_run_that_is_well_the_choices_are_not_kept():
    assert result_of(Came(doubles, 1, 6)) == RunResult(1, "ok", "1", "", {"ran": 1}, ())
