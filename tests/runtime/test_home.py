"""The home folder: one node at a time, in a format this program knows."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from runtime.files import replace_file
from runtime.home import HomeBusy, HomeError, hold_home, temporary_home


def test_a_new_home_is_made_for_its_owner_with_its_folders_and_format(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "home"
    with hold_home(path) as home:
        assert home.path == path
        assert path.stat().st_mode & 0o777 == 0o700
        assert home.logs.is_dir()
        assert home.drives.is_dir()
        assert (path / "FORMAT").read_text() == "1\n"
    assert sorted(file.name for file in path.iterdir()) == ["FORMAT", "logs", "vfs"]


def test_foreign_files_stay_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    for _ in range(2):
        with hold_home(tmp_path):
            pass
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_second_node_on_a_home_is_refused_and_told_who_holds_it(tmp_path: Path) -> None:
    with hold_home(tmp_path):
        with pytest.raises(HomeBusy, match=f"process id {os.getpid()};") as raised, hold_home(tmp_path):
            raise AssertionError
        assert raised.value.pid == os.getpid()
        assert (tmp_path / "lock").exists()
    with hold_home(tmp_path):
        pass
    assert not (tmp_path / "lock").exists()


def test_a_home_is_released_when_its_node_fails(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), hold_home(tmp_path):
        raise ZeroDivisionError
    with hold_home(tmp_path):
        pass


HOLDER = """
import sys, time
from pathlib import Path
from runtime.home import hold_home
with hold_home(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_home_whose_node_was_killed_can_be_taken_at_once(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(HomeBusy, match=f"process id {holder.pid};"), hold_home(tmp_path):
            raise AssertionError
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        assert (tmp_path / "lock").exists()
        with hold_home(tmp_path):
            assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"


def test_a_lock_file_without_a_number_names_nobody(tmp_path: Path) -> None:
    with hold_home(tmp_path):
        (tmp_path / "lock").write_bytes(b"")
        with pytest.raises(HomeBusy, match="another node;") as raised, hold_home(tmp_path):
            raise AssertionError
        assert raised.value.pid is None


def test_a_place_that_cannot_be_written_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(HomeError, match=r"file.*cannot be a home: .*give a folder"), hold_home(path):
            raise AssertionError
    (tmp_path / "lock").mkdir()
    with pytest.raises(HomeError, match=r"Is a directory at .*lock;"), hold_home(tmp_path):
        raise AssertionError


def test_a_newer_format_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "FORMAT").write_text("2\n")
    with pytest.raises(HomeError, match="it has format 2, this program knows up to 1"), hold_home(tmp_path):
        raise AssertionError
    assert [file.name for file in tmp_path.iterdir()] == ["FORMAT"]


@pytest.mark.parametrize("text", ["", "one", "-1", "1.5", "9" * 5000])
def test_a_format_that_is_no_number_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "FORMAT").write_text(text)
    with pytest.raises(HomeError, match="expected a number"), hold_home(tmp_path):
        raise AssertionError


def test_a_keyfile_without_a_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "keyfile.json").write_text("{}")
    with pytest.raises(HomeError, match="no file FORMAT"), hold_home(tmp_path):
        raise AssertionError


def old_home(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    with hold_home(home):
        (home / "data").write_text("1")
        (home / "vfs" / "link").symlink_to("nowhere")
    return home


def append(mark: str):
    def step(home: Path) -> None:
        data = home / "data"
        data.write_text(data.read_text() + mark)

    return step


def test_an_older_home_is_copied_and_then_brought_forward_step_by_step(tmp_path: Path) -> None:
    path = old_home(tmp_path)
    steps = {1: append("2"), 2: append("3")}
    for _ in range(2):
        with hold_home(path, newest=3, steps=steps):
            assert (path / "data").read_text() == "123"
            assert (path / "FORMAT").read_text() == "3\n"
    copy = tmp_path / "home.format-1"
    assert (copy / "data").read_text() == "1"
    assert (copy / "vfs" / "link").is_symlink()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["home", "home.format-1"]
    with hold_home(copy):
        pass


def test_a_step_that_fails_names_the_copy_and_goes_on_from_there_next_time(tmp_path: Path) -> None:
    path = old_home(tmp_path)

    def fail(_home: Path) -> None:
        raise ValueError("no such luck")

    steps = {1: append("2"), 2: fail}
    with (
        pytest.raises(HomeError, match=r"from format 2 to 3: ValueError\('no such luck'\); .*home\.format-1"),
        hold_home(path, newest=3, steps=steps),
    ):
        raise AssertionError
    assert (path / "FORMAT").read_text() == "2\n"
    with hold_home(path, newest=3, steps={2: append("3")}):
        assert (path / "data").read_text() == "123"
    assert (tmp_path / "home.format-2" / "data").read_text() == "12"


def test_a_format_without_a_step_is_refused(tmp_path: Path) -> None:
    path = old_home(tmp_path)
    with pytest.raises(HomeError, match="from format 1 to 2"), hold_home(path, newest=2, steps={}):
        raise AssertionError


def test_a_temporary_home_is_removed_with_all_that_is_in_it() -> None:
    with temporary_home() as home:
        (home.drives / "file").write_text("x")
        path = home.path
    assert not path.exists()


def test_replacing_a_file_leaves_the_old_one_when_it_fails(tmp_path: Path) -> None:
    path = tmp_path / "file"
    replace_file(path, b"old")
    with pytest.raises(TypeError):
        replace_file(path, "no bytes")  # type: ignore[arg-type]
    assert path.read_bytes() == b"old"
    replace_file(path, b"new", mode=0o644)
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o644
    assert [file.name for file in tmp_path.iterdir()] == ["file"]
