"""Homes in which a node has lived, and shells beside them."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest

from tests.support.live_node import Person
from tests.support.shell import APP, Shell, private_package


@pytest.fixture
def person(tmp_path: Path) -> Person:
    return Person(tmp_path)


@pytest.fixture(scope="session")
def booted_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which a node with one package has lived. Copy it."""
    folder = tmp_path_factory.mktemp("booted")
    package = private_package(folder)
    with Person(folder).boot(folder / "home", "--package", package) as node:
        node.send(APP, "keep me", home=folder / "home")
        assert node.stop() == 0
    return folder / "home"


@pytest.fixture
def home(booted_once: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(booted_once, tmp_path / "home"))


@pytest.fixture
def shell(tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    async def booted(*_: object) -> None:
        raise AssertionError("it booted")

    monkeypatch.setattr("runtime.boot._serve", booted)
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    return Shell(tmp_path, capfd, monkeypatch)
