"""How a test package is told to run its tests, and how it says what came of them (PROTOCOL 8.4)."""

from __future__ import annotations

from typing import Final

import attrs

from kernel.codec import U32, Err, Ok, Result, Shape, newtype, struct, unit

DEFAULT_SECONDS: Final = 60


@attrs.frozen
class RunForm:
    """`test_names` are package ids; only later eras write them, and their answers have another form.
    `test_timeout` is in seconds.
    """

    input_node_names: tuple[str, ...]
    test_names: tuple[str, ...] | None = None
    test_timeout: U32 = DEFAULT_SECONDS


@newtype
@attrs.frozen
class Run:
    what: list[str] | RunForm

    @property
    def form(self) -> RunForm:
        return self.what if isinstance(self.what, RunForm) else RunForm(tuple(self.what))


TESTER_REQUEST: Shape[Run] = Shape(Run)


@attrs.frozen
class FailedTest:
    """`file` is a path in the package; `line` and `column` count from 1, 0 where nobody knows."""

    test: str
    file: str
    line: U32
    column: U32


@unit
@attrs.frozen
class Pass:
    pass


@struct
@attrs.frozen
class Fail:
    test: str
    file: str
    line: U32
    column: U32


@newtype("Run")
@attrs.frozen
class Ran:
    """How later eras write it."""

    result: Result[None, FailedTest]


TesterAnswer = Pass | Fail | Ran
TESTER_ANSWER: Shape[TesterAnswer] = Shape(TesterAnswer)


def answer_to(request: Run, failed: FailedTest | None) -> TesterAnswer:
    """In the form of the era that asked."""
    if request.form.test_names is not None:
        return Ran(Ok(None) if failed is None else Err(failed))
    return Pass() if failed is None else Fail(failed.test, failed.file, failed.line, failed.column)


def failure_in(answer: TesterAnswer) -> FailedTest | None:
    """None when all passed."""
    match answer:
        case Ran(Err(failed)):
            return failed
        case Fail(test, file, line, column):
            return FailedTest(test, file, line, column)
    return None
