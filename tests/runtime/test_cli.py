from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import attrs
import pytest

from kernel.jsontext import JsonValue, dump, parse
from runtime.cli import main
from runtime.console import LogFormat
from runtime.node_file import NodeFile, write_node_file
from runtime.options import BootOptions, default_home
from runtime.password import AskedPassword, GivenPassword, PasswordVariable
from tests.support.rpc_door import rpc_door

pytestmark = pytest.mark.real_clock

# -- boot, dev


def options(*argv: str) -> BootOptions:
    given: list[BootOptions] = []

    def run_node(options: BootOptions) -> int:
        given.append(options)
        return 0

    assert main(argv, run_node) == 0
    return given[0]


def test_boot_without_options_uses_the_home_of_the_platform() -> None:
    found = options("boot")
    assert found == BootOptions(home=default_home(), name=None, port=None, password=AskedPassword())
    assert (found.bind, found.dev, found.verbosity, found.log) == ("127.0.0.1", False, None, None)


def test_boot_takes_every_option() -> None:
    argv = "boot h --name alice.uq --port 0 --bind 0.0.0.0 --package a --package b --password-env PW"
    more = "--verbosity 2 --log json --set http.timeout=30 --set http.origins=a=b"
    network = "--peers p.toml --allow-routing 5 --record r"
    assert options(*argv.split(), *more.split(), *network.split()) == BootOptions(
        home=Path("h"),
        name="alice.uq",
        port=0,
        bind="0.0.0.0",
        packages=(Path("a"), Path("b")),
        password=PasswordVariable("PW"),
        verbosity=2,
        log=LogFormat.Json,
        settings=(("http.timeout", "30"), ("http.origins", "a=b")),
        peers=Path("p.toml"),
        passages=5,
        record=Path("r"),
    )


@pytest.mark.parametrize("command", ["boot", "dev"])
def test_routers_are_named_one_by_one_or_together_and_each_counts_once(command: str) -> None:
    found = options(command, "--router", "a.uq", "b.uq", "--router", "c.uq", "a.uq", "--peers", "p")
    assert (found.routers, found.passages) == (("a.uq", "b.uq", "c.uq"), 0)


@pytest.mark.parametrize("command", ["boot", "dev"])
@pytest.mark.parametrize(
    ("argv", "problem"),
    [
        (["--router"], "--router: expected at least one argument"),
        (["--router", "our"], "'our' cannot name a node"),
        (["--router", "a b"], "'a b' cannot name a node"),
        (["--allow-routing", "-1"], "'-1' is no number of links: 0 to 10000"),
        (["--allow-routing", "10001"], "'10001' is no number of links"),
        (["--allow-routing", "1", "--router", "a.uq"], "--router and --allow-routing exclude each other"),
    ],
)
def test_bad_words_about_routers_are_usage_errors(
    command: str, argv: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, *argv], pytest.fail) == 2
    said = capsys.readouterr().err
    assert problem in said
    assert f"nectar {command} --help" in said


def test_dev_is_a_throw_away_node_with_the_packages_named() -> None:
    assert options("dev", "a", "b") == BootOptions(
        home=None,
        name=None,
        port=None,
        packages=(Path("a"), Path("b")),
        password=GivenPassword("secret"),
        dev=True,
    )


def test_dev_takes_every_option() -> None:
    """C-163."""
    argv = "dev --name bob.uq --port 9000 --home h --password p --set rpc.open=false --peers q --record r x"
    found = options(*argv.split())
    assert (found.name, found.port, found.home) == ("bob.uq", 9000, Path("h"))
    assert found.password == GivenPassword("p")
    assert (found.settings, found.peers) == ((("rpc.open", "false"),), Path("q"))
    assert found.record == Path("r")


def test_dev_without_packages_runs_the_example_apps() -> None:
    assert [folder.name for folder in options("dev").packages] == sorted(
        folder.parent.name for folder in (Path(__file__).parents[2] / "userland" / "apps").glob("*/pkg")
    )


def test_the_exit_code_is_that_of_the_node() -> None:
    assert main(["boot"], lambda options: 1) == 1


def test_an_interrupted_command_says_nothing() -> None:
    def interrupted(options: BootOptions) -> int:
        raise KeyboardInterrupt

    assert main(["boot"], interrupted) == 130


def test_the_home_follows_the_platform(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert default_home() == tmp_path / "nectar"
    monkeypatch.setenv("XDG_DATA_HOME", "not/absolute")
    assert default_home() == Path.home() / ".local" / "share" / "nectar"


# -- usage


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["bot"],
        ["boot", "--port", "65536"],
        ["boot", "--port", "-1"],
        ["boot", "--port", "x"],
        ["boot", "--name", "our"],
        ["boot", "--name", "a b"],
        ["boot", "--verbosity", "4"],
        ["boot", "--log", "xml"],
        ["boot", "--set", "timeout=3"],
        ["boot", "--set", "http.timeout"],
        ["boot", "--pack", "x"],
        ["boot", "a", "b"],
        ["dev", "--bind", "0.0.0.0"],
        ["ps", "more"],
        ["ps", "--url", "ftp://x"],
        ["kill"],
        ["kill", "echo"],
        ["kill", "a:b:c:d"],
        ["inject-message", "echo:echo:nectar"],
        ["inject-message", "our@echo:echo:nectar", "x"],
        ["inject-message", "echo:echo:nectar", "x", "--timeout", "0"],
        ["inject-message", "echo:echo:nectar", "x", "--timeout", "1.5"],
        ["inject-message", "echo:echo:nectar", "x", "--mime", "text/plain"],
        ["inject-message", "echo:echo:nectar", "\udc80"],
        ["hi", "bob.uq"],
        ["hi", "b b", "text"],
        ["id", "more"],
    ],
)
def test_wrong_usage_exits_2_and_says_what_to_try(
    argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """C-011 for the name `our`."""
    assert main(argv, lambda options: 0) == 2
    said = capsys.readouterr()
    assert said.out == ""
    first, last = said.err.splitlines()
    assert first.startswith("nectar: ")
    assert last.startswith("try: ")


@pytest.mark.parametrize("command", ["boot", "dev", "inject-message", "ps", "kill", "id", "peers", "hi"])
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([command, "--help"])
    assert caught.value.code == 0
    assert f"usage: nectar {command}" in capsys.readouterr().out


# -- talking to a node


def rpc(answer: JsonValue, payload: JsonValue = None) -> tuple[int, bytes]:
    return 200, dump({"ipc": list(dump(answer)), "payload": payload})


@attrs.frozen
class Said:
    code: int
    out: str
    err: str


@attrs.frozen
class Shell:
    """The command line of a person whose default home has no node."""

    capsys: pytest.CaptureFixture[str]

    def __call__(self, *argv: str) -> Said:
        code = main(argv)
        said = self.capsys.readouterr()
        return Said(code, said.out, said.err)


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Shell:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return Shell(capsys)


def test_inject_message_prints_the_ipc_of_the_answer_and_a_newline(shell: Shell) -> None:
    with rpc_door(rpc({"a": 1})) as door:
        said = shell("inject-message", "echo:echo:nectar", '{"x":1}', "--url", door.url)
    assert said == Said(0, '{"a":1}\n', "")
    assert (door.calls[0]["ipc"], door.calls[0]["expects_response"]) == ('{"x":1}', 15)


def test_inject_message_prints_bytes_as_they_are(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    with rpc_door((200, b'{"ipc":[255,0],"payload":null}')) as door:
        assert main(["inject-message", "echo:echo:nectar", "x", "--url", door.url]) == 0
    assert capfdbinary.readouterr().out == b"\xff\x00\n"


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        (rpc("ok"), {"ipc": '"ok"', "payload": None}),
        ((200, b'{"ipc":[255],"payload":null}'), {"ipc_base64": "/w==", "payload": None}),
        (
            rpc("ok", {"mime": "text/plain", "bytes": list(b"aGk=")}),
            {"ipc": '"ok"', "payload": {"mime": "text/plain", "base64": "aGk="}},
        ),
    ],
)
def test_inject_message_shows_all_of_the_answer_as_json(
    answer: tuple[int, bytes], shown: JsonValue, shell: Shell
) -> None:
    with rpc_door(answer) as door:
        said = shell("inject-message", "echo:echo:nectar", "x", "--json", "--url", door.url)
    assert parse(said.out) == shown


def test_inject_message_sends_node_payload_mime_and_timeout(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"hi")
    argv = ["--node", "bob.uq", "--payload", str(tmp_path / "f"), "--mime", "text/plain", "--timeout", "3"]
    with rpc_door(rpc("ok")) as door:
        assert shell("inject-message", "echo:echo:nectar", "x", *argv, "--url", door.url).code == 0
    sent = door.calls[0]
    assert (sent["node"], sent["data"], sent["mime"], sent["expects_response"]) == (
        "bob.uq",
        "aGk=",
        "text/plain",
        3,
    )


def test_inject_message_that_does_not_block_prints_nothing(shell: Shell) -> None:
    with rpc_door((200, b"")) as door:
        assert shell("inject-message", "echo:echo:nectar", "x", "--non-block", "--url", door.url) == Said(
            0, "", ""
        )
    assert door.calls[0]["expects_response"] is None


def test_a_payload_that_cannot_be_read_is_named(shell: Shell, tmp_path: Path) -> None:
    said = shell("inject-message", "echo:echo:nectar", "x", "--payload", str(tmp_path / "none"))
    assert said.code == 1
    assert "No such file" in said.err


PROCESSES: list[JsonValue] = [
    {"id": "kernel:sys:nectar", "state": "running", "mailbox": 0, "restarts": 0, "last_error": None},
    {
        "id": "echo:echo:nectar",
        "state": "waiting",
        "mailbox": 12,
        "restarts": 3,
        "last_error": "KeyError: 'x'\nmore",
    },
]
LISTED = rpc({"Debug": {"Processes": PROCESSES}})


def test_ps_lists_the_processes_in_columns(shell: Shell) -> None:
    with rpc_door(LISTED) as door:
        said = shell("ps", "--url", door.url)
    assert said.out.splitlines() == [
        "ID                 STATE    MAILBOX  BYTES  RECEIVED  RESTARTS  LAST ERROR",
        "kernel:sys:nectar  running  0        0      0         0",
        "echo:echo:nectar   waiting  12       0      0         3         KeyError: 'x'",
    ]
    assert (door.calls[0]["process"], door.calls[0]["ipc"]) == ("kernel:sys:nectar", '{"Debug":"Processes"}')


def test_ps_as_json_is_the_list(shell: Shell) -> None:
    with rpc_door(LISTED) as door:
        assert parse(shell("ps", "--json", "--url", door.url).out) == PROCESSES


@pytest.mark.parametrize(
    ("argv", "shown"),
    [([], "killed echo:echo:nectar\n"), (["--json"], '{"KilledProcess":"echo:echo:nectar"}\n')],
)
def test_kill_ends_a_process(argv: Sequence[str], shown: str, shell: Shell) -> None:
    with rpc_door(LISTED, rpc({"KilledProcess": "echo:echo:nectar"})) as door:
        assert shell("kill", "echo:echo:nectar", *argv, "--url", door.url) == Said(0, shown, "")
    assert door.calls[1]["ipc"] == '{"KillProcess":"echo:echo:nectar"}'


def test_kill_of_a_process_that_is_not_there_fails(shell: Shell) -> None:
    with rpc_door(LISTED) as door:
        said = shell("kill", "none:none:nectar", "--url", door.url)
    assert said == Said(1, "", "nectar: there is no process none:none:nectar\ntry: nectar ps\n")


def test_a_kill_that_did_not_happen_is_a_failure(shell: Shell) -> None:
    with rpc_door(LISTED, rpc({"Err": "MalformedRequest"})) as door:
        said = shell("kill", "echo:echo:nectar", "--url", door.url)
    assert said.code == 1
    assert "did not kill" in said.err


@pytest.mark.parametrize("answer", [rpc("nonsense"), rpc({"Err": "MalformedRequest"})])
def test_a_kernel_that_answers_something_else_is_a_failure(answer: tuple[int, bytes], shell: Shell) -> None:
    with rpc_door(answer) as door:
        said = shell("ps", "--url", door.url)
    assert said.code == 1
    assert "the kernel at" in said.err


def test_a_home_finds_node_and_token(shell: Shell, tmp_path: Path) -> None:
    """C-162."""
    with rpc_door(LISTED) as door:
        write_node_file(tmp_path, NodeFile(os.getpid(), door.url, "alice.uq"), "sesame")
        assert shell("ps", "--home", str(tmp_path)).code == 0
    assert door.tokens == ["Bearer sesame"]
