from __future__ import annotations

import pytest

from runtime.sim.log_file import log_of
from runtime.sim.run import run
from runtime.sim.step_text import NoSuchStep, mailboxes, step_text
from runtime.sim.world import World
from tests.support.worlds import silent


async def one_message(w: World) -> None:
    node = await w.node("alice.nec", [silent])
    await w.settle()
    await node.send("silent", b"first")
    await node.send("silent", b"second")
    await w.settle()


def entries():
    report = run(one_message, seed=1)
    assert report.verdict == "ok", report.error
    return log_of(report.trace)


def test_a_step_shows_its_neighbours_what_led_to_it_and_the_mailboxes():
    log = entries()
    number = next(e.number for e in log if e.kind == "appended" and e.message.ipc == "first")
    lines = step_text(log, number).split("\n")
    assert [line[:2] for line in lines[:7]] == ["  "] * 3 + ["> "] + ["  "] * 3
    assert lines[7:9] == ["request alice.nec@test:world:sim -> alice.nec@silent:world:sim", "  ipc: first"]
    assert lines[9].startswith(f"led to by {number - 1} alice.nec")
    assert lines[-1] == "unread then: silent:world:sim@alice.nec: 1"


def test_what_was_taken_is_not_in_a_mailbox_and_a_crash_empties_all():
    log = entries()
    assert mailboxes(log) == {}
    place = next(place for place, e in enumerate(log) if e.kind == "appended" and e.message.ipc == "first")
    assert mailboxes(log[: place + 1]) == {("alice.nec", "silent:world:sim"): 1}


def test_a_step_that_is_not_there_is_refused():
    log = entries()
    with pytest.raises(NoSuchStep, match=f"there is no step 99999: the run has 0 to {log[-1].number}"):
        step_text(log, 99999)
    with pytest.raises(NoSuchStep, match="the run has none"):
        step_text([], 0)
