"""How the console's lines look, and that writing them disturbs nobody."""

from __future__ import annotations

import io
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from kernel import jsontext
from kernel.address import Address
from kernel.ports import Line
from runtime.console import LOG_FILE, LogConsole, LogFormat, as_json, as_text

ALICE = Address.from_str("alice.dev@echo:echo:nectar")
WHEN = 1_700_000_000.25


def test_a_line_of_text_has_its_time_its_source_and_its_text() -> None:
    line = Line(WHEN, 0, str(ALICE), "hello")
    assert as_text(line) == "2023-11-14T22:13:20.250Z alice.dev@echo:echo:nectar hello"


def test_a_printed_text_can_neither_fake_another_line_nor_move_the_cursor() -> None:
    line = Line(WHEN, 0, str(ALICE), "one\n2023 bob@x:y:z two\r\x1b[2J\x9b\n\udc80")
    shown = as_text(line)
    assert shown.splitlines()[1:] == ["    2023 bob@x:y:z two\\x0d\\x1b[2J\\x9b", "    \\udc80"]


def test_a_line_of_json_is_one_object() -> None:
    record = jsontext.parse(as_json(Line(WHEN, 2, str(ALICE), "one\ntwo \udc80")))
    assert record == {
        "time": "2023-11-14T22:13:20.250Z",
        "verbosity": 2,
        "source": str(ALICE),
        "text": "one\ntwo \\udc80",
    }


@pytest.mark.parametrize("log_format", LogFormat)
def test_lines_go_to_the_stream_and_to_the_file_alike(tmp_path: Path, log_format: LogFormat) -> None:
    shown = io.StringIO()
    console = LogConsole(log_format=log_format, folder=tmp_path, write=shown.write)
    for text in ("one", "two", "größer"):
        console.print(0, ALICE, text)
    console.close()
    assert (tmp_path / LOG_FILE).read_text("utf-8") == shown.getvalue()
    assert [word in shown.getvalue() for word in ("one", "two", "größer")] == [True] * 3


def test_stderr_is_where_lines_go_by_default() -> None:
    program = (
        "from kernel.address import Address; from runtime.console import LogConsole; console = LogConsole();"
        "console.print(0, Address.from_str('a@b:c:d'), 'hello'); console.close()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True, timeout=20,
    )  # fmt: skip
    assert done.stderr.endswith(" a@b:c:d hello\n")
    assert done.stdout == ""


def test_five_files_of_limited_size_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.console.FILE_BYTES", 1000)
    console = LogConsole(folder=tmp_path, write=lambda _text: None)
    for number in range(200):
        console.print(0, ALICE, f"line {number}")
    console.close()
    files = sorted(tmp_path.iterdir())
    assert len(files) == 5
    assert all(file.stat().st_size <= 1000 for file in files)
    assert "line 199" in (tmp_path / LOG_FILE).read_text("utf-8")


def test_a_stream_that_nobody_reads_delays_no_printer_and_the_loss_is_told() -> None:
    reading = threading.Event()
    shown: list[str] = []

    def write(text: str) -> None:
        reading.wait()
        shown.append(text)

    console = LogConsole(write=write)
    for number in range(12_000):
        console.print(0, ALICE, str(number))
    lost = console.lost
    assert 0 < lost <= 2_000
    console.close(patience=0)
    console.close()
    reading.set()
    console._thread.join()
    assert len(shown) >= 10_000
    assert any("lines were lost" in text for text in shown)


def test_a_stream_and_a_folder_that_fail_raise_nothing_and_are_tried_again(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    written: list[str] = []

    def write(text: str) -> None:
        if "mend" in text:
            folder.mkdir()
        if not folder.exists():
            raise BrokenPipeError
        written.append(text)

    console = LogConsole(folder=folder, write=write)
    for text in ("lost", "mend", "kept"):
        console.print(0, ALICE, text)
    console.close()
    assert [text.split()[-1] for text in written] == ["mend", "kept"]
    assert (folder / LOG_FILE).read_text("utf-8") == "".join(written)


class Unprintable(str):
    """No text although it is a str."""

    __slots__ = ()

    def encode(self, *_arguments: object) -> bytes:
        raise ValueError


@pytest.mark.parametrize("log_format", LogFormat)
@pytest.mark.parametrize("bad", [None, 7, b"x", ["x"], Unprintable("x"), "\udc80\ud800"], ids=repr)
def test_no_text_ends_the_log(tmp_path: Path, bad: str, log_format: LogFormat) -> None:
    shown = io.StringIO()
    console = LogConsole(log_format=log_format, folder=tmp_path, write=shown.write)
    console.print(0, ALICE, bad)
    console.print(0, ALICE, "the next one")
    console.close()
    first, second = (tmp_path / LOG_FILE).read_text("utf-8").splitlines()
    assert str(ALICE) in first
    assert "the next one" in second
    assert (tmp_path / LOG_FILE).read_text("utf-8") == shown.getvalue()


def test_a_stream_that_fails_costs_only_its_own_lines(tmp_path: Path) -> None:
    def fail(text: str) -> None:
        raise ValueError(text)

    console = LogConsole(folder=tmp_path, write=fail)
    console.print(0, ALICE, "one")
    console.print(0, ALICE, "two")
    console.close()
    assert len((tmp_path / LOG_FILE).read_text("utf-8").splitlines()) == 2
