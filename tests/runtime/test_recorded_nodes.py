"""`--record` of nodes as programs of their own: real sockets and clocks, a kill, a full name, other nodes."""

from __future__ import annotations

import shlex
import signal
import stat
import subprocess
import threading
from pathlib import Path

import pytest

from runtime.command_error import CommandError
from runtime.node_file import read_token
from runtime.record.reader import read_record
from runtime.sim.replay_record import ReplayReport, replay_record
from tests.support.live_node import NECTAR, LiveNode, Person, wait_ready, wait_until, write_package
from tests.support.live_process import LiveProcess, clean_environment
from tests.support.recorded import APPS
from tests.support.recorded_apps import BUSY, KID, SINK

ECHO, FIBONACCI, CHAT = "echo:echo:nectar", "fibonacci:fibonacci:nectar", "chat:chat:nectar"


@pytest.fixture
def person(tmp_path: Path) -> Person:
    return Person(tmp_path)


@pytest.fixture
def busy(person: Person) -> Path:
    sink = {"process_name": "sink", "process_path": "/sink.py", "on_exit": "Restart", "public": True}
    rights = ["timer:sys:nectar", "state:sys:nectar"]
    folder = write_package(person.home / "app", BUSY, sink, request_capabilities=rights)
    (folder / "pkg" / "sink.py").write_text(SINK)
    (folder / "pkg" / "kid.py").write_text(KID)
    return folder


def use(node: LiveNode, times: int = 20) -> None:
    """Several clients at once; those that are cut off do not mind."""

    def client(number: int) -> None:
        try:
            for turn in range(times):
                node.send(FIBONACCI, f'{{"Number":{turn}}}')
                node.send(ECHO, f"{number} says {turn}")
                node.http("GET", f"/{FIBONACCI}/{turn}")
                if turn % 10 == 5:
                    node.send(CHAT, f'{{"Send":{{"text":"{number} {turn}"}}}}')
        except (CommandError, OSError):
            pass

    clients = [threading.Thread(target=client, args=(number,)) for number in range(3)]
    for each in clients:
        each.start()
    for each in clients:
        each.join()


def nectar(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*NECTAR, *words],
        env=clean_environment(home),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def same(path: Path) -> ReplayReport:
    report = replay_record(path)
    assert report.exit_code == 0, report.text()
    return report


def test_a_real_run_with_clients_at_once_happens_again(person: Person, busy: Path):
    path = person.home / "run.jsonl"
    apps = [APPS / name for name in ("chat", "echo", "fibonacci")]
    with person.dev(*apps, busy, "--record", path) as node:
        use(node)
        assert node.stop() == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    report = same(path)
    assert report.is_whole
    assert report.compared > 500
    typed = nectar(person.home, "sim", "replay", str(path))
    assert (typed.returncode, typed.stdout.splitlines()) == (0, report.text().splitlines()), typed.stderr
    step = nectar(person.home, "sim", "replay", str(path), "--step", "20")
    assert step.returncode == 0, step.stderr
    assert len(step.stdout) > len(typed.stdout)


def test_what_a_killed_node_left_happens_again_up_to_there(person: Person):
    path = person.home / "run.jsonl"
    with person.dev("--record", path) as node:
        use(node, 5)
        # What is older than a second is in the file.
        wait_until(lambda: path.read_bytes().count(b'"Number') > 10, "the flush")
        using = threading.Thread(target=use, args=(node, 50))
        using.start()
        size = path.stat().st_size
        wait_until(lambda: path.stat().st_size > size, "another flush")
        node.process.send_signal(signal.SIGKILL)
        node.process.wait()
        using.join()
    report = same(path)
    assert not report.is_whole
    assert report.compared > 50


def test_a_reload_under_way_happens_again(person: Person, busy: Path):
    path = person.home / "run.jsonl"
    with person.dev(busy, "--record", path) as node:
        (busy / "pkg" / "sink.py").write_text(f"# anew\n{SINK}")
        node.wait_logged("installed app:me again")
        wait_until(lambda: node.send("sink:app:me", "tell").ipc.count(b"|") > 3, "its ticks")
        assert node.stop() == 0
    assert path.read_bytes().count(b'{"Code":') == 2
    same(path)


def test_messages_of_another_node_happen_again_without_it(person: Person):
    path = person.home / "alice.jsonl"
    with (
        person.dev(
            APPS / "chat", "--name", "alice.dev", "--home", person.home / "alice", "--record", path
        ) as alice,
        person.dev(APPS / "chat", "--name", "bob.dev", "--home", person.home / "bob") as bob,
    ):
        for number in range(3):
            bob.send(
                CHAT, f'{{"Send":{{"text":"hello {number}"}}}}', node="alice.dev", home=person.home / "bob"
            )
            alice.send(CHAT, '{"Send":{"text":"back"}}', node="bob.dev", home=person.home / "alice")
        assert alice.stop() == 0
        assert bob.stop() == 0
    record = read_record(path)
    assert any("bob.dev" in str(line) for line in record.lines)
    same(path)


def test_a_boot_of_a_home_is_recorded_with_what_was_there(person: Person):
    home, path = person.home / "home", person.home / "second.jsonl"
    with person.boot(home, "--package", APPS / "echo") as node:
        assert node.stop() == 0
    with person.boot(home, "--record", path) as node:
        token = read_token(home)
        assert node.send(ECHO, "again", home=home).ipc == b"again"
        assert node.stop() == 0
    assert same(path).is_whole
    assert token is not None
    assert token.encode() not in path.read_bytes()


def test_no_record_is_written_over_another_one(person: Person):
    path = person.home / "run.jsonl"
    path.write_text("the last crash")
    said = person.nectar("dev", APPS / "echo", "--port", "0", "--record", path)
    assert said.code == 1
    assert said.err.startswith(f"nectar: the run cannot be recorded in {path}: File exists")
    assert said.advice == f"nectar dev --port 0 {APPS / 'echo'} --record {person.home / 'run-2.jsonl'}"
    assert path.read_text() == "the last crash"


def test_a_folder_that_is_not_there_is_refused(person: Person):
    said = person.nectar("dev", APPS / "echo", "--port", "0", "--record", person.home / "no" / "run.jsonl")
    assert said.code == 1
    assert "No such file or directory" in said.err
    assert said.advice == f"nectar dev --port 0 {APPS / 'echo'}"


def test_a_disk_that_is_full_ends_the_recording_and_not_the_node(person: Person):
    """No file may grow beyond 100 KiB."""
    path = person.home / "run.jsonl"
    command = shlex.join([*NECTAR, "dev", str(APPS / "echo"), "--port", "0", "--record", str(path)])
    process = LiveProcess(
        ["bash", "-c", f"ulimit -f 100 && exec {command}"],
        folder=person.home,
        environment=clean_environment(person.home),
    )
    try:
        node = wait_ready(process)
        for number in range(200):
            node.send(ECHO, f"{number} " + "x" * 500)
        node.wait_logged("the recording ends here, the node goes on: File too large")
        assert node.send(ECHO, "still").ipc == b"still"
        assert node.stop() == 0
    finally:
        process.close()
    assert process.err.count("the recording ends here") == 1
    report = same(path)
    assert not report.is_whole
    assert report.compared > 50
