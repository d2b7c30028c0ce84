"""Bad input gets a line in the log, a flood of it only some."""

from __future__ import annotations

from sys_processes.http_server.complaints import LINES, WINDOW, Complaints, Kind


def test_each_of_a_few_complaints_gets_its_line() -> None:
    complaints = Complaints()
    assert [complaints.lines(Kind.FRAME, f"frame {n}", 0.0) for n in range(3)] == [
        ["frame 0"],
        ["frame 1"],
        ["frame 2"],
    ]


def test_a_flood_gets_some_lines_a_minute_and_then_their_number() -> None:
    complaints = Complaints()
    shown = [line for n in range(1000) for line in complaints.lines(Kind.REQUEST, f"no {n}", 0.0)]
    assert len(shown) == LINES
    assert shown[-1] == f"no {LINES - 1} (further bad requests of this minute are only counted)"
    assert complaints.lines(Kind.REQUEST, "again", WINDOW) == [f"{1000 - LINES} more bad requests", "again"]
    assert complaints.lines(Kind.REQUEST, "again", WINDOW) == ["again"]


def test_nothing_is_said_of_a_window_that_kept_nothing_back() -> None:
    complaints = Complaints()
    for _ in range(LINES):
        complaints.lines(Kind.LOGIN, "x", 5.0)
    assert complaints.lines(Kind.LOGIN, "y", 5.0 + WINDOW) == ["y"]


def test_a_flood_of_one_kind_hides_no_other() -> None:
    complaints = Complaints()
    for _ in range(1000):
        complaints.lines(Kind.REQUEST, "x", 0.0)
    assert complaints.lines(Kind.ANSWER, "y", 0.0) == ["y"]


def test_a_text_that_a_client_made_long_is_cut() -> None:
    [line] = Complaints().lines(Kind.REQUEST, "x" * 100_000, 0.0)
    assert len(line) < 1000
