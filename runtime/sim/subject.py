"""What is run when a command, a tape or a generated test names a test: the test, and the rules that it asks for."""

from __future__ import annotations

import inspect
from typing import Protocol, cast

import attrs

from runtime.sim.choices import Choice, Source, TapeChoices
from runtime.sim.faults import Faults
from runtime.sim.named_tests import AnyTest, NoSuchTest, find_test
from runtime.sim.report import Report
from runtime.sim.run import Rules, Test, replay, run, run_twice
from runtime.sim.scenario import FAULTS, Scenario
from runtime.sim.tape_file import Tape

AS_THE_TEST_SAYS = ""


class _Ruled(Protocol):
    """A test that says how it is to be run."""

    sim_rules: Rules


@attrs.frozen
class Subject:
    """`faults` is `none`, `swarm` or as the test says, `until` None likewise; both are already in `rules`.

    `seed` is the one to begin with.
    """

    name: str
    test: Test
    rules: Rules
    faults: str = AS_THE_TEST_SAYS
    until: float | None = None
    seed: int = 0
    harmless: bool = False

    def run(self, seed: int, choices: Source | None = None) -> Report:
        return run(self.test, seed=seed, choices=choices or self._choices(), **self.rules)

    def run_twice(self, seed: int) -> Report:
        return run_twice(self.test, seed=seed, choices=self._choices(), **self.rules)

    def replay(self, tape: Tape, *, strict: bool) -> Report:
        return replay(self.test, tape, strict=strict, **self.rules)

    def _choices(self) -> Source | None:
        """None is the seed."""
        return TapeChoices(()) if self.harmless else None


def find_subject(name: str, *, faults: str = AS_THE_TEST_SAYS, until: float | None = None) -> Subject:
    """Raises what `find_test` does, and `NoSuchTest` for a test that wants more than a world."""
    return subject_of(find_test(name), name, faults=faults, until=until)


def subject_of(
    found: AnyTest, name: str, *, faults: str = AS_THE_TEST_SAYS, until: float | None = None
) -> Subject:
    """Raises `NoSuchTest`."""
    if isinstance(found, Scenario):
        calm = faults == "none"
        test: Test = found.without_faults() if calm else found
        rules = Rules(until=found.until, faults=found.faults)
        seed, harmless = found.seed, found.harmless
    else:
        test, rules, seed, harmless = _of_a_world(found, name), _rules_of(found), 0, False
    if faults:
        rules["faults"] = _faults(faults)
    if until is not None:
        rules["until"] = until
    return Subject(name, test, rules, faults, until, seed, harmless)


def _faults(word: str) -> Faults:
    if word not in FAULTS:
        raise NoSuchTest(f"faults {word!r} are not known: there are {', '.join(FAULTS)}")
    return FAULTS[word]()


def _rules_of(found: AnyTest) -> Rules:
    return Rules(**cast("_Ruled", found).sim_rules) if hasattr(found, "sim_rules") else Rules()


def _of_a_world(found: AnyTest, name: str) -> Test:
    """The async function itself, whatever it was decorated with."""
    test = inspect.unwrap(found)
    if not inspect.iscoroutinefunction(test):
        raise NoSuchTest(f"{name!r} is no test of a world: write it as `async def test(w: World)`")
    wanted = [
        parameter.name
        for parameter in inspect.signature(test).parameters.values()
        if parameter.default is parameter.empty and parameter.kind <= parameter.POSITIONAL_OR_KEYWORD
    ]
    if len(wanted) != 1:
        more = ", ".join(wanted) or "nothing"
        raise NoSuchTest(f"{name!r} takes {more}, and a test of a world takes the world alone")
    return cast("Test", test)


# -- for other processes, and for generated tests


def run_seed(
    test: AnyTest, *, seed: int, name: str, faults: str, until: float | None, twice: int | None
) -> Report:
    """With that seed; if it is that of `twice`, a second time, to see whether it goes the same way."""
    subject = subject_of(test, name, faults=faults, until=until)
    return subject.run_twice(seed) if seed == twice else subject.run(seed)


def replay_test(
    test: AnyTest,
    choices: tuple[Choice, ...],
    *,
    seed: int,
    faults: str = AS_THE_TEST_SAYS,
    until: float | None = None,
) -> Report:
    """As it was run: with the faults and the end that were asked for."""
    subject = subject_of(test, "test", faults=faults, until=until)
    return subject.replay(Tape("test", seed, choices), strict=False)
