"""The log of a process (PROTOCOL 5.1, `init_logging`)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from userland.process_lib.testing import Actor, ActorTest

ACTOR = """
import json
from userland.process_lib import *
from userland.process_lib import logging, vfs

async def init(our):
    log = await logging.init_logging(%s)
    while True:
        try:
            message = await await_message()
        except SendError:
            continue
        if not message.is_request():
            continue
        match json.loads(message.ipc):
            case [level, text, dict(fields)]:
                getattr(log, level)(text, **fields)
            case int(many):
                for number in range(many):
                    log.info(f"line {number}")
            case str(path):
                await log.flush()
                try:
                    async with vfs.open_file(path) as file:
                        Response().ipc(await file.read()).send()
                except vfs.VfsError as error:
                    Response().ipc(str(error).encode()).send()
"""
PATH = "/game:me/log/game.log"


def started(folder: Path, given: str = "") -> ActorTest:
    (folder / "game.py").write_text(ACTOR % given)
    return ActorTest(folder / "game.py", our="game:game:me")


def read(actor: Actor, path: str = PATH) -> list[dict[str, object]]:
    answer = actor.send(json.dumps(path), expects_response=30)
    return [json.loads(line) for line in answer.ipc.decode().splitlines()]


def say(actor: Actor, level: str, text: str, **fields: object) -> None:
    actor.send(json.dumps([level, text, fields]))


def shown(actor: Actor) -> Sequence[tuple[int, str]]:
    return [(line.verbosity, line.text) for line in actor.printed]


def test_lines_go_to_the_file_and_the_terminal_by_their_levels(tmp_path: Path) -> None:
    with started(tmp_path, '"debug", "WARN"') as actor:
        say(actor, "info", "a game began", players=2)
        say(actor, "trace", "too much")
        say(actor, "error", "it broke", why={"a": [1]})
        say(actor, "warn", "hm")
        lines = read(actor)
        assert [(line["level"], line["message"], line.get("fields")) for line in lines] == [
            ("INFO", "a game began", {"players": 2}),
            ("ERROR", "it broke", {"why": {"a": [1]}}),
            ("WARN", "hm", None),
        ]
        assert {line["process"] for line in lines} == {str(actor.our)}
        assert all(isinstance(line["at"], float) for line in lines)
        assert shown(actor) == [(0, 'ERROR it broke why={"a":[1]}'), (1, "WARN hm")]


def test_each_level_has_its_verbosity(tmp_path: Path) -> None:
    with started(tmp_path, '"error", logging.Level.TRACE, None, (1, 1, 0, 2)') as actor:
        for level in ("error", "warn", "info", "debug", "trace"):
            say(actor, level, level)
        assert [verbosity for verbosity, _ in shown(actor)] == [1, 1, 0, 2, 2]
        assert len(read(actor)) == 1


def test_another_process_may_be_told(tmp_path: Path) -> None:
    remote = '"error", "error", logging.RemoteLogSettings((our.node, "keeper:keeper:me"), "info")'
    with started(tmp_path, remote) as actor:
        actor.on(("our", "keeper:keeper:me"), None)
        say(actor, "debug", "not this")
        say(actor, "info", "but this")
        [told] = [sent for sent in actor.sent if b'"Log"' in sent.ipc]
        assert json.loads(json.loads(told.ipc)["Log"])["message"] == "but this"
        assert str(told.target).endswith("@keeper:keeper:me")


def test_a_file_that_is_full_makes_room_for_the_next(tmp_path: Path) -> None:
    with started(tmp_path, "max_log_file_size=300") as actor:
        for number in range(7):
            say(actor, "info", f"line {number}")
            read(actor)
        kept = [line["message"] for path in (f"{PATH}.1", PATH) for line in read(actor, path)]
        assert kept == [f"line {number}" for number in range(3, 7)]


def test_more_than_the_disk_can_take_is_lost_and_counted(tmp_path: Path) -> None:
    with started(tmp_path, '"info", "error"') as actor:
        actor.send("1200")
        *lines, lost = read(actor)
        assert [line["message"] for line in lines] == [f"line {number}" for number in range(1000)]
        assert (lost["level"], lost["message"]) == ("WARN", "200 lines were lost")


@pytest.mark.parametrize("given", ['"loud"', "3", "None"])
def test_a_level_that_is_none_is_an_error(tmp_path: Path, given: str) -> None:
    with (
        pytest.raises(Exception, match="a level is one of ERROR, WARN, INFO, DEBUG, TRACE"),
        started(tmp_path, given),
    ):
        pass
