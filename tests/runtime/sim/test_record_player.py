"""The player holds tasks to the record's order, and only the process itself may be ahead of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import trio

from tests.support.recorded import Recorded, ask, package_of, record
from tests.support.recorded_apps import busy
from tests.support.web_node import WebNode

WOKEN = """
import trio
from userland.process_lib import *

async def woken(event, our, name):
    await event.wait()
    Request().target((our.node, "sink:app:me")).ipc(name).send()
    await sleep(0.1)

async def init(our):
    event = trio.Event()
    async with trio.open_nursery() as nursery:
        for name in (b"one", b"two", b"three"):
            nursery.start_soon(woken, event, our, name)
        await sleep(1)
        event.set()
    await await_message()
"""
SINK = """
from userland.process_lib import *

async def init(our):
    heard = []
    while True:
        message = await await_message()
        heard.append(message.ipc)
        if message.wants_response:
            Response().ipc(b" ".join(heard)).send()
"""


async def story(web: WebNode) -> None:
    await trio.sleep(2)
    assert len(await ask(web, "sink:app:me")) == len("one two three ")


@pytest.fixture(scope="module")
def woken(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    package = package_of({"app": WOKEN, "sink": SINK}, "app", "sink")
    return record(tmp_path_factory.mktemp("woken"), [package], story)


def lines_of(run: Recorded) -> list[dict[str, dict[str, object]]]:
    return [json.loads(line) for line in run.path.read_text().splitlines()]


def written(path: Path, lines: list[dict[str, dict[str, object]]]) -> Recorded:
    return Recorded.of(path, [json.dumps(line, separators=(",", ":")).encode() for line in lines])


def tells(line: dict[str, dict[str, object]], ipc: str) -> bool:
    return "Sent" in line and line["Sent"]["said"]["ipc"]["head"] == ipc


def test_tasks_that_wake_each_other_are_replayed(woken: Recorded):
    woken.assert_same()


def test_tasks_of_one_process_may_take_their_turns_in_another_order(woken: Recorded, tmp_path: Path):
    """As when an event of trio's wakes them: what each does counts, and what others hear is the record's order."""
    lines = lines_of(woken)
    names = ("one", "two", "three")
    first, second, _ = (n for n, line in enumerate(lines) if any(tells(line, name) for name in names))
    # A send, the arrival that follows it, and the wait after that.
    one, two = slice(first, first + 3), slice(second, second + 3)
    lines[one], lines[two] = lines[two], lines[one]
    report = written(tmp_path / "swapped.jsonl", lines).replay()
    assert report.exit_code == 0, report.text()


def test_a_send_that_the_record_has_of_another_task_is_a_difference(woken: Recorded, tmp_path: Path):
    lines = lines_of(woken)
    told = [line for line in lines if any(tells(line, ipc) for ipc in ("one", "two"))]
    told[0]["Sent"]["task"], told[1]["Sent"]["task"] = told[1]["Sent"]["task"], told[0]["Sent"]["task"]
    report = written(tmp_path / "swapped.jsonl", lines).replay()
    assert report.difference is not None


@pytest.mark.parametrize("kind", ["Sent", "Waits", "GoesOn", "Now", "Seeded", "Began"])
def test_a_step_that_is_missing_in_the_record_is_a_difference(tmp_path: Path, kind: str):
    """Wherever one was taken out of it."""

    async def busy_story(web: WebNode) -> None:
        await trio.sleep(3)

    lines = lines_of(record(tmp_path, [busy()], busy_story))
    places = [n for n, line in enumerate(lines) if kind in line and line[kind]["task"]]
    assert places
    for place in places[:: max(1, len(places) // 8)]:
        run = written(tmp_path / "less.jsonl", lines[:place] + lines[place + 1 :])
        report = run.replay()
        assert report.exit_code == 3, (place, lines[place])
        assert report.difference is not None
        assert report.difference.line >= place - 10


def test_waits_of_paced_senders_may_differ(tmp_path: Path):
    sender = """
from userland.process_lib import *

async def init(our):
    for number in range(3000):
        await Request().target((our.node, "sink:app:me")).ipc(b"%d" % number).send_paced()
    await await_message()
"""

    async def busy_story(web: WebNode) -> None:
        await trio.sleep(3)

    package = package_of({"app": sender, "sink": SINK}, "app", "sink")
    run = record(tmp_path, [package], busy_story)
    lines = lines_of(run)
    paces = [
        n for n, line in enumerate(lines) for step in line.values() if step.get("why") in {"room", "turn"}
    ]
    assert len(paces) > 10
    less = [line for n, line in enumerate(lines) if n not in paces]
    run.assert_same()
    assert len(less) < len(lines)
