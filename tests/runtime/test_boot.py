"""`nectar boot` as a program: the ready line, the home it keeps, and every reason not to boot."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
import pytest

from runtime.cli import main
from runtime.node_file import read_node_file, read_token
from tests.support.live_node import (
    PASSWORD,
    READY,
    LiveNode,
    Person,
    Said,
    json_of,
    wait_ready,
    write_package,
)

ACTOR = """
from userland.process_lib import *

async def init(our):
    await http.bind_http_path("/", authenticated=False)
    while True:
        try:
            message = await await_message()
            match http.HttpServerRequest.from_bytes(message.ipc):
                case http.Http():
                    http.send_response(200, {}, b"here")
        except Malformed:
            if message.ipc.startswith(b"keep "):
                await set_state(message.ipc[5:])
            Response().ipc(await get_state() or b"nothing").send()
        except SendError as error:
            println(error)
"""
APP = "app:app:me"


def private_package(folder: Path, code: str = ACTOR) -> Path:
    return write_package(folder / "app", code, public=False, grant_capabilities=["http_server:sys:nectar"])


@pytest.fixture
def person(tmp_path: Path) -> Person:
    return Person(tmp_path)


@pytest.fixture(scope="module")
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


# -- a node that runs


def test_a_first_boot_makes_a_home_and_a_second_one_finds_everything_there(person: Person):
    """The name, the processes, their states and rights."""
    home = person.home / "home"
    package = private_package(person.home)
    with person.boot(home, "--package", package) as node:
        assert node.send(APP, "keep me", home=home).ipc == b"me"
        assert node.stop() == 0
    shutil.rmtree(package)
    with person.boot(home) as node:
        found = read_node_file(home)
        assert found is not None
        assert (found.name, found.url, found.pid) == ("alice.uq", node.url, node.process.pid)
        assert node.send(APP, "?", home=home).ipc == b"me"
        assert node.http("GET", f"/{APP}/").body == b"here"
        assert node.stop() == 0


def test_the_ready_line_is_said_once_plainly_and_alone(booted: LiveNode):
    assert booted.process.out == f"ready: {booted.url}\n"
    assert READY.fullmatch(booted.process.out.rstrip("\n"))


@pytest.fixture(scope="module")
def shared_home(booted_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(booted_once, tmp_path_factory.mktemp("shared") / "home"))


@pytest.fixture(scope="module")
def booted(shared_home: Path) -> Iterator[LiveNode]:
    """For tests that only look."""
    settings = ["--set", "http.max_body=1000", "--verbosity", "2", "--log", "json"]
    (shared_home / "config.toml").write_text('[http]\ntimeout = 2\nmax_body = 5\n[log]\nformat = "text"\n')
    with Person(shared_home.parent).boot(shared_home, *settings) as node:
        yield node


def test_secrets_in_the_home_are_for_their_owner_alone(booted: LiveNode, shared_home: Path):
    for name in ("keyfile.json", "rpc.token", "lock"):
        assert stat.S_IMODE((shared_home / name).stat().st_mode) == 0o600, name


def test_the_door_opens_to_the_password_of_the_first_boot_only(booted: LiveNode):
    assert booted.http("POST", "/login", b'{"password":"secret"}').status == 401
    assert booted.login(PASSWORD)


def test_the_rpc_route_is_closed_without_the_token_of_the_home(booted: LiveNode, shared_home: Path):
    """C-162."""
    call = json.dumps({"process": APP, "ipc": "x", "expects_response": 5}).encode()
    assert booted.http("POST", "/rpc:sys:nectar/message", call).status == 401
    token = read_token(shared_home)
    reply = booted.http("POST", "/rpc:sys:nectar/message", call, authorization=f"Bearer {token}")
    assert reply.status == 200


def test_a_setting_of_the_command_line_wins_over_the_file(booted: LiveNode):
    cookie = f"nectar-auth_alice.uq={booted.login(PASSWORD)}"
    assert booted.http("POST", f"/{APP}/", b"x" * 1000, cookie=cookie).status == 200
    assert booted.http("POST", f"/{APP}/", b"x" * 1001, cookie=cookie).status == 413


def test_log_lines_are_as_asked_on_stderr_and_in_the_home(booted: LiveNode, shared_home: Path):
    booted.send("vfs:sys:nectar", "nonsense", home=shared_home)
    with pytest.raises(Exception, match="no process"):
        booted.send("none:none:me", "x", home=shared_home)
    booted.wait_logged("no process none:none:me")
    shown = [json_of(line) for line in booted.process.err.splitlines()]
    assert all(
        isinstance(line, dict) and set(line) == {"time", "verbosity", "source", "text"} for line in shown
    )
    logged = (shared_home / "logs" / "nectar.log").read_text()
    assert "no process none:none:me" in logged


def test_as_many_files_may_be_open_as_the_system_allows(booted: LiveNode):
    limits = Path(f"/proc/{booted.process.pid}/limits")
    if not limits.exists():
        pytest.skip("this system does not show the limits of a process")
    line = next(line for line in limits.read_text().splitlines() if line.startswith("Max open files"))
    soft, hard = line.split()[3:5]
    assert soft == hard


def test_a_home_has_one_node_at_a_time(booted: LiveNode, shared_home: Path, shell: Shell):
    said = shell.boot(shared_home)
    assert said.code == 1
    assert f"in use by the node with process id {booted.process.pid}" in said.err
    assert said.advice


def test_a_port_has_one_node_at_a_time(booted: LiveNode, shell: Shell, home: Path):
    said = shell.boot(home, "--port", str(booted.port))
    assert said.code == 1
    assert "another program listens there; give another --port" in said.err
    assert said.advice


def test_the_text_log_of_the_file_is_used_without_another_word(person: Person, home: Path):
    (home / "config.toml").write_text("[log]\nverbosity = 2\n")
    with person.boot(home) as node:
        with pytest.raises(Exception, match="no process"):
            node.send("none:none:me", "x", home=home)
        node.wait_logged("no process none:none:me")
        stamp = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z alice\.uq@http_server:sys:nectar no process none:none:me"
        assert re.search(stamp, node.process.err, re.MULTILINE)


def test_without_a_home_the_one_of_the_platform_is_used(person: Person):
    argv = ["boot", "--name", "bob.uq", "--password-env", "PW", "--port", "0"]
    process = person.start(*argv, PW=PASSWORD)
    try:
        node = wait_ready(process)
        assert read_node_file(person.home / "data" / "nectar") is not None
        ps = person.nectar("ps", "--json")
        assert (ps.code, ps.err) == (0, "")
        assert node.stop() == 0
    finally:
        process.close()


def test_ready_comes_after_the_first_receive_of_each_given_process(person: Person):
    slow = ACTOR.replace("    await http", "    await sleep(0.7)\n    await http", 1)
    with person.boot(person.home / "home", "--package", private_package(person.home, slow)) as node:
        assert node.http("GET", f"/{APP}/").status == 200


# -- reasons not to boot


@attrs.frozen
class Shell:
    """`nectar` in this process, which is quicker, for what must not lead to a running node."""

    folder: Path
    capfd: pytest.CaptureFixture[str]
    monkeypatch: pytest.MonkeyPatch

    def nectar(self, *arguments: str | Path, **environment: str) -> Said:
        for name, value in environment.items():
            self.monkeypatch.setenv(name, value)
        self.capfd.readouterr()
        code = main([str(argument) for argument in arguments])
        said = self.capfd.readouterr()
        return Said(code, said.out, said.err)

    def boot(self, home: Path, *more: str | Path, password: str = PASSWORD) -> Said:
        return self.nectar("boot", home, "--password-env", "PW", "--port", "0", *more, PW=password)


@pytest.fixture
def shell(tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    async def booted(*_: object) -> None:
        raise AssertionError("it booted")

    monkeypatch.setattr("runtime.boot._serve", booted)
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    return Shell(tmp_path, capfd, monkeypatch)


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


def test_a_new_home_needs_a_name(shell: Shell):
    said = shell.boot(shell.folder / "new")
    assert said.code == 1
    assert said.advice == "nectar boot HOME --name NAME"


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


@pytest.mark.parametrize("name", ["nothing", "file"])
def test_a_package_that_is_no_folder_is_refused(name: str, shell: Shell):
    (shell.folder / "file").write_text("")
    said = shell.nectar("dev", shell.folder / name, "--port", "0")
    assert said.code == 1
    assert "is no folder" in said.err
    assert said.advice


def test_a_link_in_a_package_brings_its_file_and_no_folder(person: Person):
    package = write_package(person.home / "app", "from . import linked\n" + ACTOR)
    (person.home / "linked.py").write_text("x = 1\n")
    (package / "pkg" / "linked.py").symlink_to(person.home / "linked.py")
    (package / "pkg" / "all").symlink_to("/", target_is_directory=True)
    (package / "pkg" / "gone.py").symlink_to(person.home / "nowhere.py")
    os.mkfifo(package / "pkg" / "pipe.py")
    home = person.home / "home"
    with person.dev(package, "--home", home) as node:
        assert node.http("GET", f"/{APP}/").body == b"here"
        assert sorted(path.name for path in (home / "vfs" / "app:me" / "pkg").iterdir()) == [
            "app.py",
            "linked.py",
            "manifest.json",
        ]


def test_a_node_whose_home_vanishes_still_ends_well(person: Person, home: Path):
    with person.boot(home) as node:
        shutil.rmtree(home)
        assert node.http("GET", f"/{APP}/").status == 200
        assert node.stop() in (0, 1)
        assert "Traceback" not in node.process.err


def test_the_port_of_a_node_is_free_as_soon_as_it_has_ended(person: Person, home: Path):
    with person.boot(home) as node:
        assert node.stop() == 0
        with socket.create_server(("127.0.0.1", node.port)):
            pass
        assert sorted(path.name for path in home.iterdir()) == sorted(
            ["FORMAT", "keyfile.json", "logs", "store.sqlite", "vfs"]
        )
