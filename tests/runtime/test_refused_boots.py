"""Every reason not to boot: a broken home, a wrong word, a package that cannot be installed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from runtime.home import hold_home
from tests.support.live_node import (
    PASSWORD,
    Person,
    write_package,
)
from tests.support.shell import ACTOR, Shell

# -- homes and words


def replaced(name: str, text: str) -> Callable[[Path], None]:
    def change(home: Path) -> None:
        (home / name).write_text(text)

    return change


def turned_into_a_folder(name: str) -> Callable[[Path], None]:
    def change(home: Path) -> None:
        (home / name).unlink(missing_ok=True)
        (home / name).mkdir()

    return change


def turned_into_a_file(name: str) -> Callable[[Path], None]:
    def change(home: Path) -> None:
        shutil.rmtree(home / name)
        (home / name).write_text("x")

    return change


def without(name: str) -> Callable[[Path], None]:
    return lambda home: (home / name).unlink()


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (replaced("config.toml", "x ="), "config.toml: is no TOML"),
        (replaced("config.toml", "[http]\ntimout = 3"), "http.timout is no setting; those of [http] are timeout"),
        (replaced("config.toml", "[http]\ntimeout = 'long'"), "http.timeout is 'long'; it takes a number"),
        (replaced("keyfile.json", "{}"), "keyfile.json: the keyfile is cut short or was edited"),
        (replaced("keyfile.json", ""), "keyfile.json: the keyfile is cut short or was edited"),
        (replaced("FORMAT", "99"), "was written by a newer version"),
        (replaced("FORMAT", "x"), "expected a number"),
        (without("FORMAT"), "has a keyfile but no file FORMAT"),
        (replaced("store.sqlite", "x" * 5000), "file is not a database; move it away, or put back a copy"),
        (turned_into_a_folder("keyfile.json"), "keyfile.json: Is a directory"),
        (turned_into_a_folder("config.toml"), "config.toml: cannot be read"),
        (turned_into_a_folder("store.sqlite"), "cannot open the store"),
        (turned_into_a_folder("lock"), "cannot be a home: Is a directory"),
        (turned_into_a_file("logs"), "cannot be a home: File exists"),
        (turned_into_a_file("vfs"), "cannot be a home: File exists"),
    ],
)  # fmt: skip
def test_a_broken_home_is_refused_with_what_is_broken(
    change: Callable[[Path], None], problem: str, shell: Shell, home: Path
):
    change(home)
    said = shell.boot(home)
    assert (said.code, said.out) == (1, "")
    assert problem in said.err
    assert said.advice
    assert not (home / "node.json").is_file()
    assert not (home / "lock").is_file()


@pytest.mark.parametrize("name", ["node.json", "rpc.token"])
def test_a_node_that_cannot_say_where_it_is_does_not_get_ready(name: str, person: Person, home: Path):
    (home / name).mkdir()
    said = person.nectar("boot", home, "--password-env", "PW", "--port", "0", PW=PASSWORD)
    assert (said.code, said.out) == (1, "")
    assert f"{home / name}: Is a directory" in said.err
    assert said.advice


@pytest.mark.parametrize(
    ("more", "password", "code", "problem"),
    [
        ([], "wrong", 1, "this password does not open the keyfile of alice.uq"),
        ([], "", 1, "PW holds no password: it is empty"),
        (["--name", "bob.uq"], PASSWORD, 1, "is called 'alice.uq', not 'bob.uq'"),
        (["--name", "our"], PASSWORD, 2, "'our' cannot name a node"),
        (["--name", "a" * 254], PASSWORD, 2, "it has 254 characters, 253 at most"),
        (["--set", "http.timeout=soon"], PASSWORD, 1, "http.timeout is 'soon'; it takes a number"),
        (["--set", "rpc.opn=true"], PASSWORD, 1, "those of [rpc] are open"),
        (["--bind", "192.0.2.1"], PASSWORD, 1, "this machine has no such address"),
        (["--bind", "no.such.host.invalid"], PASSWORD, 1, "--bind takes an address like 127.0.0.1"),
    ],
)
def test_what_cannot_be_done_is_refused_with_the_next_command(
    more: list[str], password: str, code: int, problem: str, shell: Shell, home: Path
):
    """C-011 for the name `our`."""
    said = shell.boot(home, *more, password=password)
    assert (said.code, said.out) == (code, "")
    assert problem in said.err
    assert said.advice


@pytest.mark.parametrize(
    ("more", "password", "advice"),
    [
        ([], "wrong", "nectar boot HOME --port 0"),
        ([], "", "read -rs PW && export PW && nectar boot HOME --port 0 --password-env PW"),
        (["--name", "bob.uq"], PASSWORD, "nectar boot HOME --port 0 --password-env PW"),
        (["--set", "rpc.opn=1", "--set", "http.timeout=9"], PASSWORD,
         "nectar boot HOME --port 0 --password-env PW --set http.timeout=9"),
        (["--bind", "192.0.2.1"], PASSWORD, "nectar boot HOME --port 0 --password-env PW"),
    ],
)  # fmt: skip
def test_the_next_command_can_be_typed_as_it_is(
    more: list[str], password: str, advice: str, shell: Shell, home: Path
):
    assert shell.boot(home, *more, password=password).advice == advice.replace("HOME", str(home))


def test_a_home_that_is_in_use_leads_to_another_one(shell: Shell, home: Path):
    with hold_home(home):
        said = shell.boot(home)
    assert said.advice == f"nectar boot {home}-2 --name my-node.uq --port 0 --password-env PW"


def test_a_new_home_needs_a_name(shell: Shell):
    said = shell.boot(shell.folder / "new")
    assert said.code == 1
    assert said.advice == f"nectar boot {shell.folder / 'new'} --name my-node.uq --port 0 --password-env PW"


def test_a_home_below_a_file_is_refused_by_name(shell: Shell):
    (shell.folder / "file").write_text("")
    said = shell.boot(shell.folder / "file" / "home", "--name", "bob.uq")
    assert said.code == 1
    assert "file/home cannot be a home: Not a directory" in said.err


@pytest.mark.skipif(not Path("/sys").is_dir(), reason="needs a folder in which nobody may write")
def test_a_home_that_cannot_be_written_is_refused_by_name(shell: Shell):
    said = shell.boot(Path("/sys/nectar"), "--name", "bob.uq")
    assert said.code == 1
    assert "/sys/nectar cannot be a home: " in said.err


def test_nothing_is_asked_without_a_terminal(person: Person, home: Path):
    said = person.nectar("boot", home, "--port", "0", stdin="hunter2hunter2\nhunter2hunter2\n")
    assert (said.code, said.out) == (1, "")
    assert "no terminal" in said.err
    assert "--password-env" in said.advice


# -- packages that cannot be installed


def broken(folder: Path, code: str | bytes = ACTOR, manifest: object = None, metadata: object = None) -> Path:
    write_package(folder, ACTOR)
    (folder / "pkg" / "app.py").write_bytes(code if isinstance(code, bytes) else code.encode())
    if manifest is not None:
        (folder / "pkg" / "manifest.json").write_text(json.dumps(manifest))
    if metadata is not None:
        (folder / "metadata.json").write_text(json.dumps(metadata))
    return folder


ENTRY = {"process_name": "app", "process_path": "/app.py"}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"manifest": [ENTRY | {"public": "yes"}]}, "pkg/manifest.json $[0].public: expected true or false, found"),
        ({"manifest": [ENTRY, ENTRY]}, "pkg/manifest.json $[1]"),
        ({"manifest": [ENTRY | {"process_path": "/ap.py"}]}, "there is no pkg/ap.py; there are pkg/app.py"),
        ({"metadata": {"package": "sys", "publisher": "nectar"}}, "belongs to the node"),
        ({"code": "import nothing_of_this_name"}, "install 'nothing_of_this_name' where the node runs"),
        ({"code": "x = 1"}, "has no `init`; it is the code of app:app:me (pkg/manifest.json $[0]"),
        ({"code": "raise SystemExit(0)"}, "do not exit while the module is imported"),
        ({"code": b"PK\x03\x04\x14\x00\x00\x00\x08\x00"}, "pkg/app.py"),
    ],
)  # fmt: skip
def test_a_broken_package_is_refused_with_file_place_and_fix(change, problem: str, shell: Shell):
    """P19."""
    folder = broken(shell.folder / "app", **change)
    said = shell.nectar("dev", folder, "--port", "0")
    assert (said.code, said.out) == (1, "")
    assert said.err.startswith(f"nectar: {folder}: ")
    assert problem in said.err
    assert said.advice
    assert list((shell.folder / "tmp").iterdir()) == []


def test_all_broken_packages_are_named(shell: Shell):
    said = shell.nectar("dev", broken(shell.folder / "app", "x = 1"), shell.folder / "nothing", "--port", "0")
    assert (said.code, said.out) == (1, "")
    assert "has no `init`" in said.err
    assert f"{shell.folder / 'nothing'}: is no folder" in said.err


@pytest.mark.parametrize("name", ["nothing", "file"])
def test_a_package_that_is_no_folder_is_refused(name: str, shell: Shell):
    (shell.folder / "file").write_text("")
    said = shell.nectar("dev", shell.folder / name, "--port", "0")
    assert said.code == 1
    assert "is no folder" in said.err
    assert said.advice
