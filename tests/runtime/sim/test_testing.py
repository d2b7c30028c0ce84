"""`@sim_test` as its users meet it: which runs it makes, and what a failure says and leaves (issue 5, point 7)."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
import unittest
from pathlib import Path

import pytest

from runtime.sim.cover import ACROSS
from runtime.sim.faults import Faults
from runtime.sim.nemeses import Crash
from runtime.sim.report import Verdict
from runtime.sim.simulation_failed import SimulationFailed
from runtime.sim.tape_file import read_tape
from runtime.sim.testing import BadSeeds, replay_test, rules_of, sim_test
from runtime.sim.world import World
from tests.support.worlds import echo

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("NECTAR_SIM_SEED", "NECTAR_SIM_SEEDS", "NECTAR_SIM_TAPE"):
        monkeypatch.delenv(name, raising=False)


async def _one_question(w: World) -> None:
    node = await w.node("alice.nec", [echo])
    assert (await node.ask("echo", b"hi")).ipc == b"hi"


def counted(seen: list[int], **options):
    @sim_test(faults=Faults.none(), check_determinism=None, **options)
    async def counts(w: World) -> None:
        seen.append(w.seed)
        await _one_question(w)

    return counts


# -- what it runs


def test_it_is_a_plain_function_that_runs_each_seed_the_first_one_twice():
    seen: list[int] = []

    @sim_test(seeds=3, faults=Faults.none())
    async def counts(w: World) -> None:
        seen.append(w.seed)
        await _one_question(w)

    assert not inspect.iscoroutinefunction(counts)
    assert counts() is None
    assert seen == [0, 0, 1, 2]


def test_seeds_may_be_named_and_the_environment_narrows_them(monkeypatch):
    seen: list[int] = []
    test = counted(seen, seeds=[5, 7], require_cover=["never"])
    with pytest.raises(SimulationFailed, match=r"^never covered in 2 runs: never\n"):
        test()
    assert seen == [5, 7]
    seen.clear()
    monkeypatch.setenv("NECTAR_SIM_SEED", "11")
    test()
    assert seen == [11]
    seen.clear()
    monkeypatch.delenv("NECTAR_SIM_SEED")
    monkeypatch.setenv("NECTAR_SIM_SEEDS", "2-4")
    counted(seen, seeds=1)()
    assert seen == [2, 3, 4]


@pytest.mark.parametrize(("name", "value"), [("SEED", "x"), ("SEED", "-1"), ("SEEDS", "3"), ("SEEDS", "4-3")])
def test_an_environment_that_names_no_seeds_is_an_error(monkeypatch, name, value):
    monkeypatch.setenv(f"NECTAR_SIM_{name}", value)
    with pytest.raises(BadSeeds, match=f"NECTAR_SIM_{name} is '{value}', expected .* such as"):
        counted([], seeds=1)()


def test_goals_must_be_reached_in_one_of_the_runs_standard_ones_too():
    @sim_test(seeds=2, require_cover=["odd", ACROSS], faults=Faults.none())
    async def covers(w: World) -> None:
        alice, bob = await w.node("alice.nec", [echo]), await w.node("bob.nec", [echo])
        await alice.ask(bob.address("echo"))
        w.cover("odd", reached=w.seed % 2)

    covers()


def test_several_processes_find_the_same_first_failure():
    @sim_test(seeds=6, faults=Faults.none(), check_determinism=None, jobs=2)
    async def fails_late(w: World) -> None:
        await _one_question(w)
        assert w.seed < 3

    with pytest.raises(SimulationFailed, match=r"seed: 3 verdict: violated$"):
        fails_late()


@pytest.mark.parametrize("wrong", [lambda w: None, _one_question.__class__])
def test_what_is_no_test_of_a_world_is_refused_where_it_is_defined(wrong):
    with pytest.raises(TypeError, match=r"async def test\(w: World\)"):
        sim_test()(wrong)


def test_a_test_without_a_world_is_refused_where_it_is_defined():
    async def nothing() -> None: ...

    with pytest.raises(TypeError, match=r"takes no world: write `async def nothing\(w: World\)`"):
        sim_test()(nothing)


def greets(name: str) -> unittest.TestCase:
    class Greets(unittest.TestCase):
        @sim_test(seeds=1)
        async def test_hello(self, w: World) -> None:
            await _one_question(w)
            self.assertLess(w.now, 60)  # noqa: PT009 - as in such classes

        @sim_test(seeds=1)
        async def test_skips(self, w: World) -> None:
            await _one_question(w)
            self.skipTest("not today")

        @sim_test(seeds=1)
        async def test_bad(self, w: World) -> None:
            await _one_question(w)
            self.fail("of a method")

    return Greets(name)


@pytest.mark.parametrize(("name", "came"), [("hello", (0, 0)), ("skips", (0, 1)), ("bad", (1, 0))])
def test_unittest_runs_it_as_a_method(name, came):
    result = greets(f"test_{name}").run()
    assert result is not None
    assert (len(result.failures) + len(result.errors), len(result.skipped)) == came
    for _, text in result.failures:
        assert "of a method" in text
        assert "runtime.sim.simulation_failed.SimulationFailed: violated: assertion" in text


# -- what a failure says and leaves


@sim_test(seeds=40, faults=Faults.swarm(Crash(every=2.0)), check_determinism=None)
async def _forgets(w: World) -> None:
    """What it counts does not survive a crash."""
    heard: list[bytes] = []
    node = await w.node("alice.nec", [echo])
    runs = node.runs
    for _ in range(20):
        if node.is_up:
            heard.append((await node.ask("echo", b"x")).ipc)
        await w.sleep(1)
        assert node.runs == runs, "it was booted again"


def test_a_failure_is_shrunk_reported_on_a_screen_and_left_in_files(tmp_path):
    with pytest.raises(SimulationFailed) as caught:
        _forgets()
    lines = str(caught.value).splitlines()
    assert len(lines) < 15
    assert lines[0].startswith("violated: assertion at ")
    assert lines[1].startswith("  it was booted again")
    assert lines[2].startswith("1 fault remains (")
    report = caught.value.report
    assert report is not None
    assert lines[-1] == report.last_line()
    stem = f"forgets-{report.seed}"
    assert [line for line in lines if ".nectar-sim" in line] == [
        f"diagram: .nectar-sim/{stem}.svg",
        f"as a test: pytest .nectar-sim/test_{stem.replace('-', '_')}.py",
        f"again: nectar sim replay .nectar-sim/{stem}.tape.json",
    ]
    folder = tmp_path / ".nectar-sim"
    assert read_tape(folder / "latest.tape.json").digest == report.digest
    assert (folder / "latest.svg").resolve() == (folder / f"{stem}.svg").resolve()


def test_its_cause_is_what_the_test_raised_from_where_the_test_is():
    with pytest.raises(SimulationFailed) as caught:
        _forgets()
    cause = caught.value.__cause__
    assert isinstance(cause, AssertionError)
    assert cause.__traceback__ is not None
    assert cause.__traceback__.tb_frame.f_code.co_filename == __file__


def test_a_tape_that_was_left_fails_the_same_way_by_the_rules_of_its_test():
    with pytest.raises(SimulationFailed) as caught:
        _forgets()
    report = caught.value.report
    assert report is not None
    tape = read_tape(Path(".nectar-sim/latest.tape.json"))
    again = replay_test(_forgets, tape, strict=True)
    assert (again.digest, again.verdict) == (report.digest, Verdict.VIOLATED)
    assert rules_of(_forgets)["until"] == 600.0
    assert rules_of(_one_question) == {}


def test_a_run_that_differs_the_second_time_is_not_shrunk_and_says_so():
    turns = []

    @sim_test(seeds=1, faults=Faults.none())
    async def remembers(w: World) -> None:
        turns.append(w.seed)
        node = await w.node("alice.nec", [echo])
        await node.ask("echo", b"%d" % len(turns))

    with pytest.raises(
        SimulationFailed, match=r"^nondeterministic: determinism(?s:.*)two digests|gave the digests"
    ):
        remembers()
    assert len(turns) == 4  # the search, and once more for the report: no shrinking


def test_a_failure_that_does_not_come_back_is_nondeterministic():
    turns = []

    @sim_test(seeds=1, faults=Faults.none(), check_determinism=None)
    async def once(w: World) -> None:
        turns.append(w.seed)
        await _one_question(w)
        assert len(turns) > 1

    with pytest.raises(SimulationFailed, match="seed 0 came to violated, and once more to ok"):
        once()


def test_a_test_in_which_nothing_happens_is_not_green():
    @sim_test(seeds=1)
    async def idle(w: World) -> None:
        await w.node("alice.nec", [echo])

    with pytest.raises(
        SimulationFailed, match=r"^vacuous: nothing happened at .*\n  no process sent anything"
    ):
        idle()


# -- under pytest

USERS_FILE = """
import pytest
from runtime.sim.faults import Faults
from runtime.sim.testing import sim_test
from userland.process_lib import Response, await_message


async def echo(our):
    while True:
        Response().ipc((await await_message()).ipc).send()


@pytest.fixture
def greeting():
    return b"hello"


@pytest.mark.parametrize("turns", [1, 2])
@sim_test(seeds=2, faults=Faults.none())
async def test_greets(w, greeting, turns):
    node = await w.node("alice.nec", [echo])
    for _ in range(turns):
        assert (await node.ask("echo", greeting)).ipc == b"hello"
    assert turns < 2 or w.seed == 0


@sim_test(seeds=range(3, 9), faults=Faults.none())
async def test_late(w):
    node = await w.node("alice.nec", [echo])
    await node.ask("echo", b"hi")
    assert w.seed < 4


@sim_test(seeds=1)
async def test_skipped(w):
    pytest.skip("not here")
"""


def _pytest(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
        cwd=folder,
        # Where CI is set, pytest says everything twice.
        env={**os.environ, "CI": "", "BUILD_NUMBER": "", "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_pytest_runs_it_with_fixtures_and_parameters_and_again_as_the_report_says(tmp_path):
    (tmp_path / "test_greets.py").write_text(USERS_FILE)
    first = _pytest(tmp_path)
    assert "2 failed, 1 passed, 1 skipped" in first.stdout, first.stdout + first.stderr
    assert (
        "again: NECTAR_SIM_TAPE=.nectar-sim/greets_2-1.tape.json pytest 'test_greets.py::test_greets[2]'"
        in first.stdout
    )
    tape = ".nectar-sim/greets_2-1.tape.json"
    exported = ".nectar-sim/test_late_4.py"
    again = _pytest(tmp_path, "test_greets.py::test_greets[2]", exported, NECTAR_SIM_TAPE=tape)
    assert "2 failed" in again.stdout, again.stdout + again.stderr
    digests = [
        line
        for line in (first.stdout + again.stdout).splitlines()
        if line.lstrip("E ").startswith("digest: ")
    ]
    assert len(digests) == 3
    assert len({line for line in digests if "seed: 1 " in line}) == 1, digests
    assert "AssertionError: violated: assertion" in again.stdout


def test_seeds_that_are_no_numbers_are_refused():
    with pytest.raises(TypeError, match=r"write seeds=20 for the first 20, or range\(100, 120\)"):
        sim_test(seeds="1-500")
