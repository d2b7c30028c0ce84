"""`nectar dev` follows its folders: good versions replace, bad ones are told, and nothing else counts as a change."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.reload import footprint
from tests.support.live_node import LiveNode, Person, wait_until, write_package

ACTOR = """
from userland.process_lib import *
WORD = b"one"

async def init(our):
    while True:
        try:
            message = await await_message()
            if message.ipc.startswith(b"keep "):
                await set_state(message.ipc[5:])
            if message.ipc == b"kept":
                Response().ipc(await get_state() or b"nothing").send()
            Response().ipc(WORD).send()
        except (SendError, AlreadyResponded):
            pass
"""
APP = "app:app:me"
INSTALLED, REFUSED = "installed app:me again", "its old version goes on"


@pytest.fixture(scope="module")
def person(tmp_path_factory: pytest.TempPathFactory) -> Person:
    return Person(tmp_path_factory.mktemp("reload"))


@pytest.fixture(scope="module")
def node(person: Person) -> Iterator[LiveNode]:
    steady = write_package(person.home / "steady", ACTOR.replace("one", "steady"), name="steady")
    with person.dev(write_package(person.home / "app", ACTOR), steady) as node:
        yield node


@pytest.fixture
def folder(person: Person, node: LiveNode) -> Iterator[Path]:
    """Of the running package; afterwards as it was, and the node has noticed."""
    folder = write_package(person.home / "app", ACTOR)
    yield folder
    for path in (folder / "pkg").iterdir():
        if path.name not in {"app.py", "manifest.json"}:
            path.unlink()
    before = node.process.err.count(INSTALLED)
    write_package(folder, ACTOR + f"# {before}\n")
    node.wait_logged(INSTALLED, before + 1)


def versions(node: LiveNode) -> int:
    return node.process.err.count(INSTALLED)


def test_a_good_version_replaces_the_old_one_and_keeps_its_state(node: LiveNode, folder: Path):
    assert node.send(APP, "keep me").ipc == b"one"
    before = versions(node)
    write_package(
        folder, ACTOR.replace('b"one"', "word.WORD").replace("import *", "import *\nfrom . import word", 1)
    )
    (folder / "pkg" / "word.py").write_text("WORD = b'two'\n")
    wait_until(lambda: node.send(APP, "?").ipc == b"two")
    assert node.send(APP, "kept").ipc == b"me"
    node.wait_logged(INSTALLED, before + 1)
    # A sibling alone is a new version too.
    (folder / "pkg" / "word.py").write_text("WORD = b'three'\n")
    node.wait_logged(INSTALLED, before + 2)
    assert node.send(APP, "?").ipc == b"three"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda folder: (folder / "pkg" / "app.py").write_text("async def init(our)"), "pkg/app.py: line 1: "),
        (lambda folder: (folder / "pkg" / "app.py").write_text("import no_such_thing"), "install 'no_such_thing'"),
        (lambda folder: (folder / "pkg" / "app.py").unlink(), "there is no pkg/app.py"),
        (lambda folder: (folder / "pkg" / "manifest.json").write_text("[{]"), "manifest.json: is no JSON"),
        (lambda folder: write_package(folder, ACTOR, public=1), "$[0].public: expected true or false, found 1"),
        (lambda folder: (folder / "metadata.json").unlink(), "metadata.json: is missing"),
    ],
)  # fmt: skip
def test_a_bad_version_is_told_and_the_old_one_goes_on(change, why: str, node: LiveNode, folder: Path):
    """C-160, P19."""
    before = node.process.err.count(REFUSED)
    change(folder)
    node.wait_logged(REFUSED, before + 1)
    said = next(line for line in reversed(node.process.err.splitlines()) if REFUSED in line)
    assert f"{folder} was not installed" in said
    assert why in said
    assert node.send(APP, "?").ipc == b"one"
    assert node.send("steady:steady:me", "?").ipc == b"steady"


def test_code_that_loads_only_once_is_told_and_the_old_one_goes_on(node: LiveNode, folder: Path):
    flag = folder.parent / "flag"
    before = node.process.err.count(REFUSED)
    once = f"from pathlib import Path\nPath({str(flag)!r}).touch(exist_ok=False)\n{ACTOR}"
    (folder / "pkg" / "app.py").write_text(once)
    node.wait_logged(REFUSED, before + 1)
    assert "FileExistsError" in node.process.err
    assert node.send(APP, "?").ipc == b"one"


def test_an_entry_that_is_taken_out_is_ended_and_one_that_is_added_runs(node: LiveNode, folder: Path):
    second = {"process_name": "second", "process_path": "/app.py", "public": True}
    write_package(folder, ACTOR, second)
    wait_until(lambda: "second:app:me" in node.processes())
    write_package(folder, ACTOR)
    wait_until(lambda: "second:app:me" not in node.processes())


def test_a_package_that_could_not_be_installed_is_once_it_is_corrected(person: Person, tmp_path: Path):
    good = write_package(tmp_path / "good", ACTOR, name="good")
    bad = write_package(tmp_path / "bad", "x = 1")
    with person.dev(good, bad, tmp_path / "nothing") as node:
        node.wait_logged(f"{bad} was not installed: pkg/app.py: has no `init`")
        node.wait_logged(f"{tmp_path / 'nothing'} was not installed: ")
        assert "good:good:me" in node.processes()
        assert APP not in node.processes()
        (bad / "pkg" / "app.py").write_text(ACTOR)
        node.wait_logged(f"installed app:me from {bad}")
        assert APP in node.processes()


def test_hidden_files_and_caches_are_no_change(tmp_path: Path):
    folder = write_package(tmp_path, ACTOR)
    before = footprint(folder)
    (folder / "pkg" / ".app.py.swp").write_text("x")
    (folder / "pkg" / "__pycache__").mkdir()
    (folder / "pkg" / "__pycache__" / "app.pyc").write_text("x")
    (folder / "pkg" / ".git").mkdir()
    (folder / "pkg" / ".git" / "index").write_text("x")
    (folder / "notes.txt").write_text("beside pkg/")
    assert footprint(folder) == before
    (folder / "pkg" / "ui").mkdir()
    (folder / "pkg" / "ui" / "index.html").write_text("x")
    assert footprint(folder) != before


def test_a_change_right_after_the_ready_line_is_not_missed(person: Person, tmp_path: Path):
    folder = write_package(tmp_path, ACTOR)
    with person.dev(folder) as node:
        (folder / "pkg" / "app.py").write_text(ACTOR.replace("one", "two"))
        # Asked sooner, a Request may meet the end of the old version, and come back.
        node.wait_logged(INSTALLED)
        assert node.send(APP, "?").ipc == b"two"


def test_a_folder_that_vanishes_ends_nothing(person: Person, tmp_path: Path):
    folder = write_package(tmp_path / "app", ACTOR)
    with person.dev(folder) as node:
        (tmp_path / "app").rename(tmp_path / "away")
        node.wait_logged(REFUSED)
        assert "is no folder" in node.process.err
        assert node.send(APP, "?").ipc == b"one"
        (tmp_path / "away").rename(tmp_path / "app")
        manifest = tmp_path / "app" / "metadata.json"
        manifest.write_text(json.dumps({"package": "app", "publisher": "me", "version": [0, 2, 0]}))
        node.wait_logged(INSTALLED)
        assert node.stop() == 0


def test_a_package_that_gets_another_name_leaves_nothing_running_under_the_old_one(
    person: Person, tmp_path: Path
):
    folder = write_package(tmp_path, ACTOR)
    with person.dev(folder) as node:
        (folder / "metadata.json").write_text(json.dumps({"package": "renamed", "publisher": "me"}))
        wait_until(lambda: "app:renamed:me" in node.processes())
        wait_until(lambda: APP not in node.processes())
        node.wait_logged("app:me was ended")
