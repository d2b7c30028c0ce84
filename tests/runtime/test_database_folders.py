from __future__ import annotations

from pathlib import Path

import pytest

from kernel.address import PackageId
from runtime.database_folders import SCRATCH, DatabaseFolders
from sys_processes.devices import DatabaseName, NoDatabase

GAMES = DatabaseName(PackageId("chess", "nectar"), "games")


@pytest.fixture
def folders(tmp_path: Path) -> DatabaseFolders:
    made = DatabaseFolders(tmp_path / "root")
    made.prepare()
    return made


def fill(folder: Path) -> None:
    (folder / "data").write_text("1")


def test_a_database_is_a_folder_of_its_package(folders: DatabaseFolders) -> None:
    folders.make(GAMES, fill)
    assert folders.of(GAMES).parts[-2:] == ("chess:nectar", "games")
    assert (folders.existing(GAMES) / "data").read_text() == "1"


def test_one_that_exists_is_not_filled_again(folders: DatabaseFolders) -> None:
    folders.make(GAMES, fill)
    folders.make(GAMES, lambda folder: (folder / "data").unlink())
    assert (folders.of(GAMES) / "data").exists()


def test_one_that_cannot_be_filled_is_not_there(folders: DatabaseFolders) -> None:
    def breaks(folder: Path) -> None:
        fill(folder)
        raise OSError("full")

    with pytest.raises(OSError, match="full"):
        folders.make(GAMES, breaks)
    assert not folders.exists(GAMES)
    assert list((folders.of(GAMES).parents[1] / SCRATCH).iterdir()) == []


def test_a_removed_one_is_gone(folders: DatabaseFolders) -> None:
    folders.make(GAMES, fill)
    folders.remove(GAMES)
    for call in (folders.remove, folders.existing):
        with pytest.raises(NoDatabase, match="games of chess:nectar"):
            call(GAMES)
    folders.make(GAMES, fill)
    assert folders.exists(GAMES)


def test_what_an_earlier_run_left_undone_is_cleared_away(folders: DatabaseFolders) -> None:
    left = folders.of(GAMES).parents[1] / SCRATCH / "7"
    left.mkdir()
    fill(left)
    folders.prepare()
    assert not left.exists()
