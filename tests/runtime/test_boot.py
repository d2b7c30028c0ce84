"""`nectar boot` as a program: the ready line, the home it keeps, and what it leaves."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.node_file import read_node_file, read_token
from tests.support.live_node import (
    NECTAR,
    PASSWORD,
    READY,
    LiveNode,
    Person,
    json_of,
    wait_ready,
    wait_until,
    write_package,
)
from tests.support.live_process import LiveProcess, clean_environment
from tests.support.shell import ACTOR, APP, Shell, private_package

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


# -- its package, its end


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
            "metadata.json",
        ]


def test_a_node_whose_home_vanishes_still_ends_well(person: Person, home: Path):
    with person.boot(home) as node:
        shutil.rmtree(home)
        assert node.http("GET", f"/{APP}/").status == 200
        assert node.stop() in (0, 1)
        assert "Traceback" not in node.process.err


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="sees open files in /proc only")
def test_a_node_without_standard_files_opens_none_of_its_own_in_their_place(person: Person, home: Path):
    """Else a log line would end up in the store."""
    argv = [*NECTAR, "boot", str(home), "--password-env", "PW", "--port", "0", "--verbosity", "2"]
    closed = ["bash", "-c", 'exec "$@" <&- >&- 2>&-', "closed", *argv]
    process = LiveProcess(closed, environment=clean_environment(person.home) | {"PW": PASSWORD})
    try:
        wait_until(lambda: read_node_file(home) is not None or process.poll() is not None, "a node")
        descriptors = Path(f"/proc/{process.pid}/fd")
        assert {str((descriptors / str(number)).readlink()) for number in range(3)} == {"/dev/null"}
        assert process.stop() == 0
    finally:
        process.close()


def test_the_port_of_a_node_is_free_as_soon_as_it_has_ended(person: Person, home: Path):
    with person.boot(home) as node:
        assert node.stop() == 0
        with socket.create_server(("127.0.0.1", node.port)):
            pass
        assert sorted(path.name for path in home.iterdir()) == sorted(
            ["FORMAT", "keyfile.json", "kv", "logs", "peer.toml", "sqlite", "store.sqlite", "vfs"]
        )
