"""A replay goes through a record in order, and each task through its own steps."""

from __future__ import annotations

from kernel.address import ProcessId
from kernel.message import OnExit
from runtime.record.lines import Began, Created, Exited, Forgotten, GoesOn, Line, Now, Started, Took, Waits
from runtime.sim.recorded_steps import RecordedSteps, actor_of, is_step

A, B = ProcessId("a", "x", "me"), ProcessId("b", "x", "me")
MAIN_A, MAIN_B = (A, "1.0"), (B, "1.0")


def made(by: ProcessId | None) -> Created:
    return Created(0.0, B, by, "1.0" if by else "", "", None, "", OnExit.none(), True, False, 1, 1, [])


def waits(why: str) -> list[Line]:
    return [Waits(0.0, A, "1.0", why), GoesOn(0.0, A, "1.0", why, None)]


def test_steps_are_what_tasks_of_packages_do():
    assert is_step(Began(0.0, A, "1.0"))
    assert is_step(made(by=A))
    assert actor_of(made(by=A)) == MAIN_A
    assert not any(
        map(is_step, [made(by=None), Took(0.0, A, "", 1), Exited(0.0, A, "", "DONE"), Started(0.0, A, None)])
    )


def test_each_task_has_its_own_order():
    steps = RecordedSteps([Began(0.0, A, "1.0"), Began(1.0, B, "1.0"), Now(2.0, A, "1.0", 5.0)])
    assert [steps.take(MAIN_A), steps.place(MAIN_A), steps.place(MAIN_B)] == [0, 2, 1]
    assert steps.peek(MAIN_A) == Now(2.0, A, "1.0", 5.0)
    assert steps.peek((A, "9.0")) is None


def test_the_next_line_is_the_first_that_is_not_done():
    steps = RecordedSteps(
        [Began(0.0, A, "1.0"), Began(0.0, B, "1.0"), Forgotten(0.0, A, 1), Now(0.0, A, "1.0", 1.0)]
    )
    steps.take(MAIN_A)
    steps.skip_done()
    assert steps.next == 1
    steps.take(MAIN_A)
    assert steps.undone(3) == [2]
    steps.do(2)
    assert steps.undone(3) == []
    steps.take(MAIN_B)
    steps.skip_done()
    assert steps.next == 4


def test_waits_for_room_are_passed_over_but_for_one_that_is_meant():
    steps = RecordedSteps([*waits("room"), *waits("turn"), *waits("receive")])
    assert steps.peek_after_paces(MAIN_A) == Waits(0.0, A, "1.0", "receive")
    steps.pass_paces(MAIN_A, "turn")
    assert steps.place(MAIN_A) == 2
    steps.pass_paces(MAIN_A)
    assert steps.place(MAIN_A) == 4
    assert steps.is_done(3)
