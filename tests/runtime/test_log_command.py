"""Reading a node's log while it is written and rotated."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kernel.address import ProcessId
from kernel.jsontext import parse
from kernel.ports import Line
from runtime.command_error import CommandError
from runtime.console import LOG_FILE, as_json, as_text
from runtime.home import LOGS
from runtime.log_command import LogLine, LogView, show_logs

WHO = "alice.uq@app:app:me"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    (tmp_path / LOGS).mkdir()
    return tmp_path / LOGS / LOG_FILE


def lines(numbers: range, form=as_text, source: str = WHO) -> str:
    return "".join(form(Line(1.7e9 + number, 0, source, f"line {number}")) + "\n" for number in numbers)


@pytest.mark.parametrize("form", [as_text, as_json])
def test_the_last_lines_of_all_files_in_order(log: Path, capsys, form):
    log.with_name(f"{LOG_FILE}.2").write_text(lines(range(2), form))
    log.with_name(f"{LOG_FILE}.1").write_text(lines(range(2, 4), form))
    log.write_text(lines(range(4, 6), form) + "torn")
    show_logs(log.parent.parent, LogView(lines=3))
    shown = [line.split(" ", 1)[1] for line in capsys.readouterr().out.splitlines()]
    assert shown == [f"{WHO} line {number}" for number in (3, 4, 5)]


def test_only_one_process(log: Path, capsys):
    log.write_text(
        lines(range(3)) + lines(range(3), source="alice.uq@other:app:me") + "no line of a log\n{]\n{}\n"
    )
    show_logs(log.parent.parent, LogView(process=ProcessId("other", "app", "me"), lines=2))
    assert capsys.readouterr().out.count("other:app:me") == 2


def test_only_up_to_a_verbosity(log: Path, capsys):
    levels = (0, 2, 1, 3)
    log.write_text("".join(as_json(Line(0.0, level, WHO, f"at {level}")) + "\n" for level in levels))
    show_logs(log.parent.parent, LogView(lines=9, verbosity=1))
    assert [line[-4:] for line in capsys.readouterr().out.splitlines()] == ["at 0", "at 1"]


def test_a_log_of_text_cannot_be_filtered_by_verbosity_and_says_what_can(log: Path):
    log.write_text(lines(range(1)))
    with pytest.raises(CommandError, match="does not tell the verbosity") as refused:
        show_logs(log.parent.parent, LogView(lines=9, verbosity=1))
    assert "--url URL" in refused.value.next_command


def test_a_node_that_printed_nothing_has_an_empty_log(log: Path, capsys):
    show_logs(log.parent.parent, LogView(lines=3))
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("form", [as_text, as_json])
def test_what_unicode_takes_for_the_end_of_a_line_is_none(log: Path, capsys, form):
    odd = form(Line(0.0, 0, WHO, "one\u2028two\u2029three")) + "\n"
    log.with_name(f"{LOG_FILE}.1").write_text(odd)
    log.write_text(odd)
    show_logs(log.parent.parent, LogView(lines=9, as_json=True))
    shown = [parse(line.encode()) for line in capsys.readouterr().out.split("\n")[:-1]]
    assert [line["text"] for line in shown] == ["one\u2028two\u2029three"] * 2


def test_a_log_of_json_steers_no_terminal(log: Path, capsys):
    log.write_text(as_json(Line(0.0, 0, WHO, "\x1b[2Jone\ntwo\n")) + "\n")
    show_logs(log.parent.parent, LogView(lines=9))
    assert capsys.readouterr().out == f"1970-01-01T00:00:00.000Z {WHO} \\x1b[2Jone\n    two\n"


class _Enough(Exception):
    pass


def follow(log: Path, monkeypatch: pytest.MonkeyPatch, steps: Iterator[Callable[[], object]]) -> None:
    """Each step happens while the follower sleeps."""

    def later(_seconds: float) -> None:
        step = next(steps, None)
        if step is None:
            raise _Enough
        step()

    monkeypatch.setattr("runtime.log_command.time.sleep", later)
    with pytest.raises(_Enough):
        show_logs(log.parent.parent, LogView(lines=3, follow=True, as_json=True))


def test_a_line_of_several_is_followed_also_when_it_is_written_in_pieces(log: Path, capsys, monkeypatch):
    whole = as_text(Line(0.0, 0, WHO, "one\ntwo\nthree")) + "\n"
    middle = whole.index("    two")
    pieces = [whole[:middle], whole[: middle + 6], whole, whole, whole]
    follow(log, monkeypatch, iter([lambda piece=piece: log.write_text(piece) for piece in pieces]))
    (shown,) = capsys.readouterr().out.splitlines()
    assert parse(shown.encode())["text"] == "one\ntwo\nthree"


def test_what_comes_later_is_followed_through_a_rotation(log: Path, capsys, monkeypatch: pytest.MonkeyPatch):
    steps = iter(
        [
            lambda: log.write_text(lines(range(1))),
            lambda: log.write_text(lines(range(1)) + lines(range(1, 2))[:20]),
            lambda: log.write_text(lines(range(2))),
            lambda: (log.rename(log.with_name(f"{LOG_FILE}.1")), log.write_text(lines(range(2, 3)))),
            lambda: None,
        ]
    )
    follow(log, monkeypatch, steps)
    shown = capsys.readouterr().out.splitlines()
    assert [line.split('"text":"')[1][:6] for line in shown] == ["line 0", "line 1", "line 2"]


def test_a_line_goes_on_where_it_is_indented():
    from runtime.log_command import _Parser

    parser = _Parser()
    text = as_text(Line(0.0, 0, WHO, "one\ntwo")) + "\n"
    assert list(parser.feed(text)) == []
    assert list(parser.rest()) == [LogLine("1970-01-01T00:00:00.000Z", WHO, "one\ntwo")]
