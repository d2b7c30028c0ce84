"""`start-package` and `remove-package`: what they check themselves and send, and what they make of a real node."""

from __future__ import annotations

import base64
import json
import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernel.jsontext import JsonValue, dump
from sys_processes.app_store.archive import unpack
from tests.support.kit import LATER, SEED, KitAnswer, KitWords, kit_answer, kit_call
from tests.support.live_node import PASSWORD, LiveNode, Person, Said, json_of, write_package
from tests.support.rpc_door import rpc_door
from tests.support.shell import Shell
from tests.support.zips import zipped

pytestmark = pytest.mark.real_clock

ACTOR = """
from userland.process_lib import *

async def init(our):
    while True:
        message = await await_message()
        if message.ipc.startswith(b"keep "):
            await set_state(message.ipc[5:])
        Response().ipc(b"one " + (await get_state() or b"nothing")).send()
"""
APP = "app:app:me"


def rpc(answer: JsonValue, said: str | None = None) -> tuple[int, bytes]:
    payload: JsonValue = None
    if said is not None:
        payload = {"mime": "text/plain", "bytes": list(base64.b64encode(said.encode()))}
    return 200, dump({"ipc": list(dump(answer)), "payload": payload})


PUT, STARTED = rpc({"NewPackageResponse": "Success"}), rpc({"InstallResponse": "Success"})

# -- what is sent


def test_a_package_is_sent_as_a_zip_and_started(shell: Shell, tmp_path: Path) -> None:
    folder = write_package(tmp_path / "app", ACTOR)
    with rpc_door(PUT, STARTED) as door:
        assert shell.nectar("start-package", folder, "--url", door.url) == Said(0, "installed app:me\n", "")
    first, second = door.calls
    parts = {"package_name": "app", "publisher_node": "me"}
    assert first["process"] == second["process"] == "main:app_store:nectar"
    assert json_of(first["ipc"]) == {"NewPackage": {"package": parts, "mirror": False}}
    assert json_of(second["ipc"]) == {"Install": parts}
    sent = unpack(base64.b64decode(first["data"]))
    assert sorted(sent) == ["pkg/app.py", "pkg/manifest.json", "pkg/metadata.json"]
    assert sent["pkg/app.py"] == ACTOR.encode()


def test_the_same_folder_is_sent_as_the_same_bytes(shell: Shell, tmp_path: Path) -> None:
    folder = write_package(tmp_path / "app", ACTOR)
    with rpc_door(PUT, STARTED, PUT, STARTED) as door:
        for _ in range(2):
            (folder / "pkg" / "app.py").touch()
            assert shell.nectar("start-package", folder, "--url", door.url).code == 0
    assert door.calls[0]["data"] == door.calls[2]["data"]


def test_as_json_the_package_and_its_version_are_told(shell: Shell, tmp_path: Path) -> None:
    folder = write_package(tmp_path / "app", ACTOR)
    with rpc_door(PUT, STARTED, rpc({"UninstallResponse": "Success"})) as door:
        installed = shell.nectar("start-package", folder, "--json", "--url", door.url)
        removed = shell.nectar("remove-package", "app:me", "--json", "--url", door.url)
    assert json_of(installed.out) == {"installed": "app:me", "version": None}
    assert json_of(removed.out) == {"removed": "app:me"}


def test_what_the_node_warns_of_is_shown(shell: Shell, tmp_path: Path) -> None:
    folder = write_package(tmp_path / "app", ACTOR)
    with rpc_door(rpc({"NewPackageResponse": "Success"}, "mind the gap"), STARTED) as door:
        assert shell.nectar("start-package", folder, "--url", door.url).err == "mind the gap\n"


# -- what it asks for

NOTHING_YET = rpc({"ApprovedResponse": {"rights": [], "must_ask": True}})
ASKS = ["timer:sys:nectar", {"process": "vfs:sys:nectar", "params": {"root": True}}]
LISTED = """app:me asks for:
  messages to timer:sys:nectar
  {"root":true} of vfs:sys:nectar, which is control over the node: its root is everybody's files
"""


def asking(tmp_path: Path) -> Path:
    return write_package(tmp_path / "app", ACTOR, request_capabilities=ASKS)


def test_nobody_is_asked_where_nobody_can_answer(shell: Shell, tmp_path: Path) -> None:
    folder = asking(tmp_path)
    with rpc_door(NOTHING_YET) as door:
        said = shell.nectar("start-package", folder, "--url", door.url)
    assert (said.code, said.advice) == (1, f"nectar start-package {folder} --yes")
    assert said.err.startswith(f"nectar: {LISTED}")
    assert [json_of(call["ipc"]) for call in door.calls] == [
        {"Approved": {"package_name": "app", "publisher_node": "me"}}
    ]


def test_yes_approves_without_a_question(shell: Shell, tmp_path: Path) -> None:
    with rpc_door(PUT, STARTED) as door:
        said = shell.nectar("start-package", asking(tmp_path), "--yes", "--url", door.url)
    assert (said.code, said.err) == (0, "")
    assert json_of(door.calls[0]["ipc"])["NewPackage"]["approve"] is True


@pytest.mark.parametrize(
    ("typed", "approved"), [("y\n", True), (" YES \n", True), ("n\n", False), ("", False)]
)
def test_at_a_terminal_somebody_is_asked(typed, approved: bool, shell: Shell, tmp_path: Path) -> None:
    ours, theirs = os.openpty()
    with rpc_door(NOTHING_YET, PUT, STARTED) as door, os.fdopen(theirs) as stdin:
        os.write(ours, typed.encode() or b"\x04")
        shell.monkeypatch.setattr("sys.stdin", stdin)
        said = shell.nectar("start-package", asking(tmp_path), "--url", door.url)
    os.close(ours)
    assert said.err.startswith(f"{LISTED}Approve that? [y/N] ")
    assert (said.code == 0) is approved
    assert len(door.calls) == (3 if approved else 1)


@pytest.mark.parametrize(
    "answer",
    [
        {"rights": [], "must_ask": False},
        {
            "rights": [
                {"process": "timer:distro:sys", "params": '"messaging"'},
                {"process": "vfs:sys:nectar", "params": '{"root":true}'},
            ],
            "must_ask": True,
        },
    ],
)
def test_nobody_is_asked_for_what_is_approved_already(answer, shell: Shell, tmp_path: Path) -> None:
    with rpc_door(rpc({"ApprovedResponse": answer}), PUT, STARTED) as door:
        said = shell.nectar("start-package", asking(tmp_path), "--url", door.url)
    assert (said.code, said.err) == (0, "")
    assert json_of(door.calls[1]["ipc"])["NewPackage"] == {
        "package": {"package_name": "app", "publisher_node": "me"},
        "mirror": False,
    }


# -- what is not sent


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda folder: (folder / "metadata.json").unlink(), "metadata.json: is missing"),
        (lambda folder: write_package(folder, ACTOR, public=1), "manifest.json $[0].public: expected true or false"),
        (lambda folder: (folder / "pkg" / "app.py").unlink(), "there is no pkg/app.py"),
        (lambda folder: (folder / "pkg" / "app.py").write_text("x ="), "pkg/app.py: line 1: "),
        (lambda folder: (folder / "pkg" / "other.py").write_text("import app"), "imported without a dot"),
    ],
)  # fmt: skip
def test_a_bad_package_is_told_before_any_node_is_asked(
    spoil, why: str, shell: Shell, tmp_path: Path
) -> None:
    folder = write_package(tmp_path / "app", ACTOR)
    spoil(folder)
    said = shell.nectar("start-package", folder, "--url", "http://127.0.0.1:9")
    assert said.code == 1
    assert why in said.err
    assert said.advice == f"nectar start-package {folder}"


def test_a_package_too_large_for_one_call_is_told(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runtime.package_commands.BODY_BYTES", 4 << 20)
    folder = write_package(tmp_path / "app", ACTOR)
    (folder / "pkg" / "noise").write_bytes(random.Random(1).randbytes(4 << 20))
    said = shell.nectar("start-package", folder)
    assert said.code == 1
    assert "is 4 MiB as a zip, and a node takes 3 MiB in one call" in said.err
    assert said.advice == f"nectar boot --package {folder}"


@pytest.mark.parametrize(
    "answer", [rpc({"NewPackageResponse": "Failure"}, "no room"), rpc({"Err": "no room"})]
)
def test_a_refusal_is_a_failure_with_the_reason(answer, shell: Shell, tmp_path: Path) -> None:
    folder = write_package(tmp_path / "app", ACTOR)
    with rpc_door(answer) as door:
        said = shell.nectar("start-package", folder, "--url", door.url)
    assert said.code == 1
    assert "no room" in said.err
    assert len(door.calls) == 1


def test_an_answer_of_something_else_is_a_failure(shell: Shell) -> None:
    with rpc_door(rpc("nonsense")) as door:
        said = shell.nectar("remove-package", "app:me", "--url", door.url)
    assert (said.code, said.advice) == (1, "nectar ps")
    assert "gave an answer we do not know" in said.err


@pytest.mark.parametrize(("given", "code"), [(":me", 2), ("a:b:c", 2), ("nowhere", 1)])
def test_what_names_no_package_is_told(given: str, code: int, shell: Shell) -> None:
    said = shell.nectar("remove-package", given, "--url", "http://127.0.0.1:9")
    assert (said.code, said.advice) == (code, "nectar remove-package PACKAGE:PUBLISHER")


# -- a real node


@pytest.fixture(scope="module")
def person(tmp_path_factory: pytest.TempPathFactory) -> Person:
    return Person(tmp_path_factory.mktemp("packages"))


@pytest.fixture(scope="module")
def node(person: Person) -> Iterator[LiveNode]:
    other = write_package(person.home / "other", ACTOR, name="other")
    with person.dev(other) as node:
        yield node


def test_a_package_goes_into_a_node_is_replaced_and_goes_out(
    person: Person, node: LiveNode, tmp_path: Path
) -> None:
    """C-162, C-161."""
    url = ("--url", node.url)
    folder = write_package(tmp_path / "app", ACTOR)
    assert person.nectar("start-package", folder, *url) == Said(0, "installed app:me\n", "")
    assert node.send(APP, "keep me").ipc == b"one me"
    write_package(folder, ACTOR.replace("one", "two"))
    assert person.nectar("start-package", folder, *url).code == 0
    assert node.send(APP, "?").ipc == b"two me"
    assert person.nectar("remove-package", folder, *url) == Said(0, "removed app:me\n", "")
    assert APP not in node.processes()
    again = person.nectar("remove-package", "app:me", *url)
    assert (again.code, again.advice) == (1, "nectar ps")
    assert "there is no such package on this node" in again.err


def test_code_that_does_not_import_on_the_node_leaves_the_old_version(
    person: Person, node: LiveNode, tmp_path: Path
) -> None:
    """C-160."""
    folder = write_package(tmp_path / "app", ACTOR)
    assert person.nectar("start-package", folder, "--url", node.url).code == 0
    write_package(folder, "import no_such_thing")
    said = person.nectar("start-package", folder, "--url", node.url)
    assert said.code == 1
    assert "install 'no_such_thing' where the node runs" in said.err
    assert node.send(APP, "?").ipc.startswith(b"one")


def test_a_package_that_asks_for_control_over_the_node_is_refused_with_advice(
    person: Person, node: LiveNode, tmp_path: Path
) -> None:
    folder = write_package(
        tmp_path / "root", ACTOR, name="root", request_capabilities=["main:app_store:nectar"]
    )
    said = person.nectar("start-package", folder, "--url", node.url)
    assert said.code == 1
    assert (
        "$[0].request_capabilities[0]: this right of main:app_store:nectar is control over the node"
        in said.err
    )
    assert "nectar boot --package" in said.err


@pytest.mark.parametrize("words", [SEED, LATER], ids=["seed", "later"])
def test_a_zip_built_by_hand_and_posted_to_a_dev_node_installs(words: KitWords, node: LiveNode) -> None:
    manifest = [
        {"process_name": "hand", "process_wasm_path": "/hand.wasm", "on_panic": "Restart", "public": True}
    ]
    files = {
        "metadata.json": b'{"package":"hand","publisher":"me","version":[0,1,0]}',
        "manifest.json": json.dumps(manifest).encode(),
        "hand.py": ACTOR.encode(),
        "ui/index.html": b"<p>",
    }
    data = zipped(files, folders=("ui",))
    assert post(node, words.process, words.new_package("hand:me"), data) == KitAnswer(
        200, {"NewPackageResponse": "Success"}, ""
    )
    assert post(node, words.process, words.install("hand:me")) == KitAnswer(
        200, {"InstallResponse": "Success"}, ""
    )
    assert node.send("hand:hand:me", "?").ipc == b"one nothing"
    assert post(node, words.process, words.uninstall("hand:me")).body == {"UninstallResponse": "Success"}


def post(node: LiveNode, process: str, request: JsonValue, data: bytes | None = None) -> KitAnswer:
    """Without any header that a simple client would not send."""
    reply = node.http("POST", "/rpc:distro:sys/message", kit_call(process, request, data))
    return kit_answer(reply.status, reply.body)


def test_what_was_installed_is_there_after_a_kill(person: Person, tmp_path: Path) -> None:
    home = tmp_path / "home"
    folder = write_package(tmp_path / "app", ACTOR)
    with person.boot(home) as node:
        assert person.nectar("start-package", folder, "--home", home) == Said(0, "installed app:me\n", "")
        assert node.send(APP, "keep me", home=home).ipc == b"one me"
        node.process.send_signal(9)
        node.process.wait()
    with person.boot(home, password=PASSWORD) as node:
        assert node.send(APP, "?", home=home).ipc == b"one me"
        assert person.nectar("remove-package", "app:me", "--home", home).code == 0
        node.process.send_signal(9)
        node.process.wait()
    with person.boot(home) as node:
        assert APP not in node.processes(home)
        assert not (home / "vfs" / "app:me").exists()
