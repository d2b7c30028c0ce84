"""Scripts of packages, typed at the terminal of a whole node, on memory devices (PROTOCOL 7.8, 8.1)."""

from __future__ import annotations

import json

import pytest
import trio

from kernel.codec import Err, Ok
from kernel.jsontext import JsonValue
from runtime.node import PackageFiles
from tests.support.sim_home import SimHome, SimNode, package
from tests.support.store_calls import ACTOR, SUCCESS, install, put, put_approved, uninstall
from tests.sys_processes.terminal.test_process import TERMINAL, typed

KEEPER = """
from userland.process_lib import *

async def init(our):
    while True:
        message = await await_message()
        Response().ipc(f"{message.source.package_id} says {message.ipc.decode()}").send()
"""
SCRIPT = """
from userland.process_lib import *

@script
async def run(our, args):
    word, _, rest = args.partition(" ")
    match word:
        case "ask":
            asked = Request().target((our.node, rest)).ipc(b"hello")
            try:
                return (await asked.send_and_await_response(5)).ipc
            except SendError as error:
                return f"{error.reason}"
        case "fall":
            raise RuntimeError("as asked")
        case "sleep":
            await sleep(3600)
        case "rights":
            return " ".join(sorted(f"{one.issuer.process} {one.params}" for one in get_capabilities()))
        case "nothing":
            return None
    return f"{our.package_id} {args!r}"
"""
KEEPER_ID = "keeper:app:me"


def scripted(scripts: object = None, code: str = SCRIPT) -> PackageFiles:
    """`app:me`, a process of which says who asks it."""
    files = package(KEEPER, name="app", public=False, process_name="keeper")
    given = {"run.py": {"request_capabilities": [KEEPER_ID]}} if scripts is None else scripts
    text = given if isinstance(given, bytes) else json.dumps(given).encode()
    return files | {"pkg/run.py": code.encode(), "pkg/scripts.json": text}


async def of_app(node: SimNode) -> list[str]:
    return [pid for pid in await node.ps() if pid.endswith(":app:me")]


async def test_a_script_does_what_its_arguments_say_and_is_gone():
    async with SimHome().booted(scripted()) as node:
        assert await typed(node, "run:app:me one  two") == Ok("app:me 'one  two'")
        assert await typed(node, "/run:app:me") == Ok("app:me ''")
        assert await typed(node, "run:app:me nothing") == Ok("")
        assert await of_app(node) == [KEEPER_ID]


async def test_it_has_the_rights_that_it_asks_for_and_no_others():
    async with SimHome().booted(scripted(), package(KEEPER, name="other", public=False)) as node:
        assert await typed(node, f"run:app:me ask {KEEPER_ID}") == Ok("app:me says hello")
        assert await typed(node, "run:app:me ask other:other:me") == Ok("capability_missing")
        held = await typed(node, "run:app:me rights")
        assert isinstance(held, Ok)
        assert sorted(word for word in held.value.split() if word.count(":") == 2)[1:] == [
            KEEPER_ID,
            TERMINAL,
        ]


async def test_a_script_with_root_may_do_anything():
    async with SimHome().booted(
        scripted({"run.py": {"root": True}}), package(KEEPER, name="other", public=False)
    ) as node:
        assert await typed(node, "run:app:me ask other:other:me") != Ok("capability_missing")
        held = await typed(node, "run:app:me rights")
        assert isinstance(held, Ok)
        for right in (
            'kernel:sys:nectar "messaging"',
            'kernel:sys:nectar "network"',
            'vfs:sys:nectar {"root":true}',
        ):
            assert right in held.value


async def test_an_alias_may_stand_for_a_script():
    async with SimHome().booted(scripted()) as node:
        assert await typed(node, "alias run run:app:me") == Ok("run = run:app:me")
        assert await typed(node, "run it") == Ok("app:me 'it'")


async def test_one_that_falls_is_told_with_its_error():
    async with SimHome().booted(scripted()) as node:
        answer = await typed(node, "run:app:me fall")
        assert isinstance(answer, Err)
        assert answer.error.startswith("run:app:me did not answer: ")
        assert "RuntimeError: as asked at /app:me/pkg/run.py:" in answer.error
        assert await of_app(node) == [KEEPER_ID]


async def test_one_that_ends_without_an_answer_is_told():
    silent = "async def init(our):\n    pass\n"
    async with SimHome().booted(scripted(code=silent)) as node:
        answer = await typed(node, "run:app:me")
        assert isinstance(answer, Err)
        assert answer.error.startswith("run:app:me did not answer: ")


async def test_one_that_takes_too_long_goes_on_and_can_be_killed():
    async with SimHome().booted(scripted()) as node:
        told: list[object] = []

        async def run() -> None:
            told.append(await typed(node, "run:app:me sleep"))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(run)
            await trio.sleep(5)
            assert await typed(node, "run:app:me meanwhile") == Ok("app:me 'meanwhile'")
        [answer] = told
        assert isinstance(answer, Err)
        command = answer.error.removeprefix("no answer within 10 s; it goes on: `").removesuffix("` ends it")
        assert len(await of_app(node)) == 2
        await typed(node, command)
        assert await of_app(node) == [KEEPER_ID]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("jump:app:me", "pkg/scripts.json: app:me has no script 'jump' (it has run:app:me)"),
        ("run:nothing:me", "nothing:me: there is no such package on this node"),
        ("run:other:me", "other:me has no script 'run' (it has no scripts at all)"),
        ("run:app:", "write `SCRIPT:PACKAGE:PUBLISHER [ARGUMENTS]`"),
        ("run:sys:nectar", "sys:nectar: there is no such package on this node"),
    ],
)
async def test_what_is_no_script_is_said(line: str, why: str):
    async with SimHome().booted(scripted(), package(ACTOR, name="other")) as node:
        answer = await typed(node, line)
        assert isinstance(answer, Err)
        assert why in answer.error


@pytest.mark.parametrize(
    ("scripts", "why"),
    [
        (b"[]", "pkg/scripts.json: expected an object, found []"),
        ({"jump.py": {}}, "pkg/scripts.json $.jump.py: there is no pkg/jump.py"),
        ({"../run.py": {}}, "is not inside pkg/"),
        ({"kernel.py": {}}, "no package may call a process 'kernel'"),
        ({"run.py": {"root": True}}, "control over the node: a script with it has every right there is"),
        ({"run.py": {"request_capabilities": ["timer:sys:nectar"]}}, "messages to timer:sys:nectar"),
    ],
)
async def test_what_cannot_be_or_was_not_approved_is_refused_at_the_install(scripts: JsonValue, why: str):
    async with SimHome().booted() as node:
        answer = await put(node, scripted(scripts))
        assert answer.body == {"NewPackageResponse": "Failure"}
        assert why in answer.said


async def test_code_that_does_not_start_is_an_error_of_the_install():
    async with SimHome().booted() as node:
        answer = await put_approved(
            node, scripted(code="from userland.process_lib import nothing_of_this_name\n")
        )
        assert answer.body == {"NewPackageResponse": "Failure"}
        assert "it is the code of run:app:me (pkg/scripts.json $.run.py)" in answer.said


async def test_a_component_stands_for_the_module_beside_it():
    async with SimHome().booted(scripted({"run.wasm": {}})) as node:
        assert await typed(node, "run:app:me it") == Ok("app:me 'it'")


async def test_rights_that_a_package_writes_for_itself_are_not_given():
    """Its own drive is its own; what was approved is not in it."""
    home = SimHome()
    async with home.booted() as node:
        assert (await put_approved(node, scripted())).body == {"NewPackageResponse": SUCCESS}
        assert (await install(node)).body == {"InstallResponse": SUCCESS}
        assert await typed(node, f"run:app:me ask {KEEPER_ID}") == Ok("app:me says hello")
        await home.disk.write("app:me/pkg/scripts.json", json.dumps({"run.py": {"root": True}}).encode())
        answer = await typed(node, "run:app:me")
        assert isinstance(answer, Err)
        assert "the script run:app:me asks for what nobody approved on this node: everything" in answer.error
        await home.disk.write("app:me/pkg/scripts.json", b"nonsense")
        answer = await typed(node, "run:app:me")
        assert isinstance(answer, Err)
        assert "pkg/scripts.json: is no JSON" in answer.error


async def test_scripts_end_with_their_package():
    async with SimHome().booted() as node, trio.open_nursery() as nursery:
        await put_approved(node, scripted())
        await install(node)
        told: list[object] = []

        async def run() -> None:
            told.append(await typed(node, "run:app:me sleep"))

        nursery.start_soon(run)
        await trio.sleep(1)
        assert len(await of_app(node)) == 2
        await uninstall(node)
        assert await of_app(node) == []
        await trio.sleep(1)
        [answer] = told
        assert isinstance(answer, Err)
        assert "did not answer" in answer.error
