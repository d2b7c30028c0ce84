"""`nectar sim` as people type it: in processes of its own, each exit code by an example."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import attrs
import pytest

from kernel.jsontext import parse
from runtime.cli import main
from tests.support.live_process import ROOT
from tests.support.scenarios import ASKING, NODES

SUBJECTS = "tests/support/sim_subjects.py"


@attrs.frozen
class Done:
    code: int
    out: str
    err: str

    @property
    def last(self) -> str:
        return self.out.rstrip("\n").rpartition("\n")[2]


@attrs.frozen
class Shell:
    """A folder in which the tests of this repository are found."""

    folder: Path

    def sim(self, *words: str, **environment: str) -> Done:
        done = subprocess.run(
            [sys.executable, "-m", "runtime", "sim", *words],
            cwd=self.folder, env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
            capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        return Done(done.returncode, done.stdout, done.stderr)

    def here(self, *words: str) -> Done:
        """In this process, which is faster."""
        out, err = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.folder)
            patch.setattr(sys, "path", [*sys.path])
            with redirect_stdout(out), redirect_stderr(err):
                code = main(["sim", *words])
        return Done(code, out.getvalue(), err.getvalue())

    def write(self, name: str, text: str) -> str:
        (self.folder / name).write_text(text)
        return name


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    (tmp_path / "tests").symlink_to(ROOT / "tests")
    return Shell(tmp_path)


@pytest.mark.parametrize(
    ("test", "code", "word"),
    [
        ("goes_well", 0, "ok"),
        ("breaks_an_assertion", 1, "violated"),
        ("raises", 1, "error"),
        ("does_nothing", 2, "vacuous"),
        ("differs", 3, "nondeterministic"),
        ("waits_for_ever", 4, "deadlock"),
        ("spins", 5, "livelock"),
    ],
)
def test_each_ending_has_its_exit_code_and_its_last_line(shell: Shell, test: str, code: int, word: str):
    done = shell.sim("run", f"{SUBJECTS}::{test}", "--no-shrink")
    assert (done.code, done.last.partition(" seed: ")[2]) == (code, f"0 verdict: {word}"), done.err
    assert done.last.startswith("digest: ")


def test_a_run_and_its_replay_have_one_digest_whatever_the_hash_seed(shell: Shell):
    """DESIGN 7."""
    test = f"{SUBJECTS}::goes_well"
    first = shell.sim("run", test, "--seed", "7", PYTHONHASHSEED="1")
    again = shell.sim("replay", ".nectar-sim/goes_well-7.tape.json", PYTHONHASHSEED="2")
    assert first.last == again.last
    assert (first.code, again.code) == (0, 0)
    assert "covered asked: 1 times" in first.out


def test_a_failure_leaves_its_files_and_the_next_commands(shell: Shell):
    done = shell.sim("run", f"{SUBJECTS}::fails_sometimes", "--seeds", "0-50", "-j", "2")
    assert done.code == 1
    lines = done.out.splitlines()
    assert lines[0].endswith("violated")
    assert "violated: both at 0.0" in done.out
    report = lines[next(i for i, line in enumerate(lines) if line.startswith("violated: ")) :]
    assert len(report) < 15
    tape = report[-2].removeprefix("again: nectar sim replay ")
    again = shell.here("replay", tape, "--step", "5")
    assert (again.code, again.last) == (1, done.last)
    assert "> 5 alice.nec " in again.out
    pytest_file = next(line.removeprefix("as a test: pytest ") for line in report if "pytest" in line)
    printed = shell.here("export-pytest", tape)
    assert printed.out == (shell.folder / pytest_file).read_text()
    written = shell.here("export-pytest", tape, "-o", "test_it.py")
    assert (written.code, (shell.folder / "test_it.py").read_text()) == (0, printed.out)
    shrunk = shell.here("shrink", tape, "--json")
    assert (shrunk.code, parse(shrunk.out.encode())["verdict"]) == (1, "violated")


def test_a_run_that_went_well_is_no_test_that_fails(shell: Shell):
    shell.here("run", f"{SUBJECTS}::goes_well", "--seed", "7")
    refused = shell.here("export-pytest", ".nectar-sim/goes_well-7.tape.json")
    assert refused.code == 1
    assert "ended well" in refused.err
    assert "nectar sim replay .nectar-sim/goes_well-7.tape.json" in refused.err


def test_all_seeds_may_be_fine(shell: Shell):
    done = shell.here("run", f"{SUBJECTS}::goes_well", "--seeds", "1-4", "-j", "1")
    assert (done.code, done.last.partition(" seed: ")[2]) == (0, "1-4 verdict: ok")
    assert done.out.startswith("4 seeds in ")
    assert "covered asked: 4 times, in 4 runs" in done.out
    assert done.err == ""


def test_json_is_one_object_and_the_last_line_goes_elsewhere(shell: Shell):
    done = shell.here("run", f"{SUBJECTS}::raises", "--json", "--no-shrink")
    found = parse(done.out.encode())
    assert (found["verdict"], found["error"], found["seed"]) == ("error", "LookupError: nobody home", 0)
    assert sorted(found["files"]) == ["diagram", "pytest", "tape"]
    assert done.err.rstrip().endswith("verdict: error")
    assert "LookupError: nobody home" in done.err
    all_fine = shell.here("run", f"{SUBJECTS}::goes_well", "--seeds", "1-2", "--json")
    found = parse(all_fine.out.encode())
    assert (found["verdict"], found["runs"], found["failures"]) == ("ok", 2, [])


SCENARIO = f"[world]\nseed = 2\n{NODES}[[link]]\nlatency = [0.01, 0.1]\n{ASKING}"
HELD = '[[phase.fault]]\nkind = "hold"\na = "alice.nec"\nb = "bob.nec"\nat = 0.2\nlasts = 30\n'


def test_a_scenario_is_run_replayed_compared_and_drawn(shell: Shell):
    """Issue 5, point 8."""
    file = shell.write("two.toml", SCENARIO)
    done = shell.sim("run", file)
    assert (done.code, done.last.partition(" seed: ")[2]) == (0, "2 verdict: ok"), done.err
    assert shell.sim("replay", ".nectar-sim/two-2.tape.json").last == done.last
    other = shell.here("run", file, "--seed", "3")
    assert other.last != done.last
    seeds = shell.here("diff", file, "--seed", "2", "3")
    tapes = shell.here("diff", ".nectar-sim/two-2.tape.json", ".nectar-sim/two-3.tape.json")
    logs = shell.here("diff", ".nectar-sim/two-2.jsonl", ".nectar-sim/two-3.jsonl")
    assert {seeds.code, tapes.code, logs.code} == {1}
    assert {one.out.splitlines()[0] for one in (seeds, tapes, logs)} == {logs.out.splitlines()[0]}
    assert logs.out.startswith("first difference at entry ")
    same = shell.here("diff", ".nectar-sim/two-2.tape.json", ".nectar-sim/two-2.jsonl")
    assert (same.code, same.out.startswith("no difference in ")) == (0, True)
    drawn = shell.here("draw", ".nectar-sim/two-2.tape.json")
    assert drawn.out == "drawn: .nectar-sim/two-2.svg\n"
    assert "saying 4" in (shell.folder / ".nectar-sim/two-2.svg").read_text()
    text = shell.here("draw", ".nectar-sim/two-2.jsonl", "--mermaid")
    assert text.out.startswith('---\ntitle: "two.toml"')
    assert "Send" in text.out
    past = shell.here("draw", ".nectar-sim/two-2.jsonl", "--mermaid", "--past", "10")
    assert (past.code, "Send" in past.out) == (0, False)


def test_a_scenario_that_fails_is_written_back(shell: Shell):
    file = shell.write("two.toml", SCENARIO + HELD + '[[check]]\nkind = "always_answered"\n')
    done = shell.here("run", file)
    assert done.code == 1, done.out
    found = next(line for line in done.out.splitlines() if line.startswith("as a scenario: "))
    again = shell.here("run", found.removeprefix("as a scenario: nectar sim run "), "--no-shrink")
    assert (again.code, again.out.splitlines()[0].split(" at ")[0]) == (1, "violated: always_answered")
    assert shell.here("run", file, "--faults", "none").code == 0
    assert shell.here("run", file, "--faults", "none", "--until", "1", "--no-shrink").code == 1


def test_a_scenario_that_shows_nothing_says_so(shell: Shell):
    file = shell.write("two.toml", SCENARIO + '[[check]]\nkind = "covers"\ngoals = "dead letter"\n')
    done = shell.here("run", file)
    assert (done.code, done.err) == (2, "")
    assert done.out.startswith("vacuous: nothing shown at ")
    assert "never covered: dead letter" in done.out
    assert shell.here("replay", ".nectar-sim/two-2.tape.json").code == 2


def test_changed_code_and_edited_tapes(shell: Shell):
    """A strict replay says that it is another run; a loose one follows as far as it can."""
    module = "import tests.support.sim_subjects as s\n\nasync def test_it(w):\n    await s._asked(w)\n"
    shell.write("test_mine.py", module)
    first = shell.sim("run", "test_mine.py::test_it")
    assert first.code == 0
    shell.write("test_mine.py", module + "    w.say('more')\n    w.choices.choose('more', 2)\n")
    tape = ".nectar-sim/it-0.tape.json"
    strict = shell.here("replay", tape)
    assert (strict.code, strict.last.endswith("nondeterministic")) == (3, True)
    assert shell.here("replay", tape, "--loose").code == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "nothing.py::test_x"], "there is no file"),
        (["run", "two.toml"], "there is no file"),
        (["run", "bad.toml"], "bad.toml $.phase: there is none; write [[phase]]"),
        (["run", "broken.py::test_x"], "broken.py::test_x cannot be imported: ZeroDivisionError"),
        (["run", f"{SUBJECTS}::takes_more"], "takes w, more"),
        (["run", f"{SUBJECTS}::goes_well", "--seeds", "5-1"], "'5-1' has its larger seed first"),
        (["run", f"{SUBJECTS}::goes_well", "--seeds", "5"], "'5' is no range of seeds, such as 1-500"),
        (["run", f"{SUBJECTS}::goes_well", "--seed", "-1"], "'-1' is no number from 0 on"),
        (["run", f"{SUBJECTS}::goes_well", "-j", "0"], "1 at least"),
        (["run", f"{SUBJECTS}::goes_well", "--until", "nan"], "no number of seconds above 0"),
        (["replay", "nothing.json"], "nothing.json: No such file or directory"),
        (["replay", "bad.toml"], "bad.toml: not a tape"),
        (["diff", "bad.toml"], "two runs are compared, and 1 is named"),
        (["diff", "a", "b", "--seed", "1", "2"], "with --seed one test is named"),
        (["draw", "log.jsonl"], "log.jsonl:1: not the head of a log"),
        ([], "the following arguments are required: COMMAND"),
    ],
)
def test_what_cannot_be_done_is_a_usage_error_with_the_next_command(
    shell: Shell, words: list[str], said: str
):
    shell.write("bad.toml", '[[node]]\nname = "alice.nec"\n')
    shell.write("broken.py", "1 / 0\n")
    shell.write("log.jsonl", "[]\n")
    done = shell.here(*words)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert "\ntry: " in done.err


def test_no_other_command_loads_the_simulator():
    script = (
        "import sys\nfrom runtime.cli import main\n"
        "assert main(['ps', '--home', 'nowhere']) == 1\n"
        "assert not [name for name in sys.modules if name.startswith('runtime.sim')]\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
