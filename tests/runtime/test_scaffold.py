"""`nectar new`: what it writes runs and passes untouched, under a name of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from runtime.packages import compile_plan, read_package
from runtime.scaffold import templates
from sys_processes.app_store.core import Surroundings, plan_install
from tests.support.live_process import ROOT
from tests.support.shell import Shell


def made(shell: Shell, folder: Path, template: str, *more: str) -> Path:
    said = shell.nectar("new", folder, "--template", template, *more)
    assert (said.code, said.err) == (0, "")
    assert f"nectar dev {folder}" in said.out
    return folder


def test_each_template_passes_its_own_tests(shell: Shell, tmp_path: Path):
    folders = [made(shell, tmp_path / f"my_{name}", name) for name in templates()]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *map(str, folders)]
    done = subprocess.run(
        command, env=os.environ | {"PYTHONPATH": str(ROOT)}, cwd=tmp_path, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stdout.decode()


@pytest.mark.parametrize("name", templates())
def test_its_processes_are_called_like_it(shell: Shell, tmp_path: Path, name: str):
    folder = made(shell, tmp_path / "other", name, "--package", "mine", "--publisher", "me.os")
    plan = plan_install(read_package(folder), Surroundings("our", ()))
    compile_plan(plan)
    assert str(plan.processes[0].id) == "mine:mine:me.os"
    tester = plan_install(read_package(folder / "tests" / "on_nodes"), Surroundings("our", ()))
    assert "mine:mine:me.os" in [str(right.process) for right in tester.rights]
    text = "".join(path.read_text() for path in folder.rglob("*") if path.is_file())
    assert f"{name}:{name}:nectar" not in text


@pytest.mark.parametrize("name", templates())
def test_a_page_is_there_when_asked_for(shell: Shell, tmp_path: Path, name: str):
    assert (made(shell, tmp_path / "a", name, "--ui") / "pkg" / "ui" / "index.html").is_file()
    assert not (made(shell, tmp_path / "b", name) / "pkg" / "ui").exists()


@pytest.mark.parametrize(
    ("words", "code", "why"),
    [
        (("full", "--template", "echo"), 1, "is there already, and not empty"),
        (("file", "--template", "echo"), 1, "is there already, and not empty"),
        (("file/below", "--template", "echo"), 1, "cannot write"),
        (("new", "--template", "nope"), 2, "there is no template 'nope': there are chat, echo"),
        (("a b", "--template", "echo"), 2, "'a b' cannot name a package"),
        (("new", "--template", "echo", "--package", "a:b"), 2, "cannot be part of an id"),
        (("new",), 2, "--template"),
    ],
)
def test_what_cannot_be_written_is_told(
    shell: Shell, tmp_path: Path, words: tuple[str, ...], code: int, why: str
):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    (tmp_path / "file").touch()
    shell.monkeypatch.chdir(tmp_path)
    said = shell.nectar("new", *words)
    assert said.code == code
    assert why in said.err
    assert not (tmp_path / "new").exists()


def test_an_empty_folder_is_filled(shell: Shell, tmp_path: Path):
    (tmp_path / "empty").mkdir()
    assert (made(shell, tmp_path / "empty", "echo") / "metadata.json").is_file()
