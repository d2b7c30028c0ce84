"""One node on memory devices: packages in, upgrades, grants, crashes, what is there again after a boot."""

from __future__ import annotations

import json
import sys

import pytest
import trio

from kernel.address import PackageId, ProcessId
from kernel.kernel import BadNodeName
from kernel.message import Payload
from kernel.ports import Put
from runtime.node import READY_SECONDS, PackageRefused
from sys_processes.app_store.fields import PackageError
from tests.support.sim_home import NotAnswered, SimHome, SimNode, package

ECHO = """
from userland.process_lib import *

async def init(our):
    while True:
        message = await await_message()
        if message.ipc == b"crash":
            raise ValueError
        Response().ipc(message.ipc).send()
"""

# Answers with a word of its own, or does what it is told and answers with the result.
ACTOR = """
import trio
from userland.process_lib import *

WORD = "one"

async def init(our):
    while True:
        try:
            message = await await_message()
            if message.is_request():
                Response().ipc((await obey(our, message.ipc.decode())).encode()).send()
        except SendError as error:
            println(f"came back: {error}")

async def obey(our, order):
    verb, _, rest = order.partition(" ")
    match verb:
        case "keep":
            await set_state(rest.encode())
        case "kept":
            return ((await get_state()) or b"nothing").decode()
        case "ask":
            to, _, ipc = rest.partition(" ")
            try:
                answer = await Request().target(our.node + "@" + to).ipc(ipc.encode()).send_and_await_response(5)
            except SendError as error:
                return f"refused: {error.reason}"
            return answer.ipc.decode()
        case "spawn":
            return str(await spawn(rest, "/app.py", OnExit.restart(), [], [], True))
        case "crash":
            raise RuntimeError("as told")
    return WORD
"""
TWO = ACTOR.replace('"one"', '"two"')
QUIET = "async def init(our):\n    import trio\n    await trio.sleep_forever()\n"
APP, OTHER = "app:app:me", "other:other:me"
KEEPER = {"process_name": "keeper", "process_path": "/app.py", "on_exit": "Restart", "public": True}


async def test_code_that_came_in_a_message_with_a_number_runs_again_after_a_crash_and_a_boot():
    """PROTOCOL 4.6, E1: the handle is no path."""
    made = ProcessId.from_str("made:made:me")
    command = {
        "id": str(made), "wasm_bytes_handle": 123456, "on_panic": "Restart", "initial_capabilities": [], "public": True
    }  # fmt: skip
    home = SimHome()
    async with home.booted() as node:
        for ipc in (json.dumps({"InitializeProcess": command}), json.dumps({"RunProcess": str(made)})):
            answer = await node.ask("kernel:sys:nectar", ipc, Payload(None, ECHO.encode()))
            assert "Error" not in answer, node.console.text
        assert await node.ask(str(made), "hi") == "hi"
        with pytest.raises(NotAnswered):
            await node.ask(str(made), "crash")
        assert await node.ask(str(made), "hi") == "hi"
    async with home.booted() as node:
        assert await node.ask(str(made), "hi") == "hi"


# -- packages in


async def test_the_processes_of_a_given_package_answer_once_the_node_is_booted():
    async with SimHome().booted(package(ACTOR)) as node:
        assert await node.ask(APP) == "one"


async def test_a_saved_process_that_never_receives_keeps_a_boot_waiting_for_a_while_only():
    home = SimHome()
    async with home.booted(package(QUIET)):
        pass
    begun = trio.current_time()
    async with home.booted() as node:
        assert trio.current_time() - begun == pytest.approx(READY_SECONDS)
        assert "does not receive" in node.console.text
        assert list(await node.ps()) == [APP]


async def test_an_entry_gets_exactly_what_it_requests():
    """C-159."""
    asks = ["timer:sys:nectar", {"process": "vfs:sys:nectar", "params": {"x": 1}}]
    async with SimHome().booted(package(ACTOR, request_capabilities=asks)) as node:
        process = node.node.kernel.router.processes[ProcessId.from_str(APP)]
        held = sorted(str(capability) for capability in process.holdings.all())
    assert held == sorted(
        [
            f'alice.uq@{APP}^"messaging"',
            'alice.uq@timer:sys:nectar^"messaging"',
            'alice.uq@vfs:sys:nectar^{"x":1}',
        ]
    ), held


BAD = "async def init(our): return 1 +"


async def test_a_bad_package_leaves_the_others_alone_and_no_trace():
    home = SimHome()
    async with home.booted(package(BAD, name="bad"), package(ACTOR)) as node:
        refused, installed = node.node.given
        assert isinstance(refused, PackageError)
        assert (refused.file, installed) == ("pkg/bad.py", PackageId("app", "me"))
        assert await node.ask(APP) == "one"
        assert list(await node.ps()) == [APP]
        assert "bad:me" not in [name for name, _ in await home.disk.list("")]


async def test_a_boot_with_bad_packages_only_is_refused_with_what_is_wrong_with_each():
    with pytest.raises(PackageRefused) as caught:
        async with SimHome().booted(package(BAD), package("x = 1", name="other")):
            raise AssertionError
    assert [error.file for error in caught.value.errors] == ["pkg/app.py", "pkg/other.py"]


async def test_a_package_that_cannot_be_installed_at_a_boot_leaves_the_saved_version():
    """C-160."""
    home = SimHome()
    async with home.booted(package(ACTOR)):
        pass
    async with home.booted(package(BAD), package(QUIET, name="other")) as node:
        assert await node.ask(APP) == "one"


@pytest.mark.parametrize("second", ["app", "App"])
async def test_of_the_same_package_twice_the_second_is_refused(second: str):
    """Also of two whose drives some disk takes for one."""
    async with SimHome().booted(package(ACTOR), package(TWO, name=second)) as node:
        assert f"{second}:me, which is given twice" in str(node.node.given[1])
        assert await node.ask(APP) == "one"


async def test_a_package_that_cannot_be_installed_leaves_the_old_version_running():
    """C-160."""
    async with SimHome().booted(package(ACTOR)) as node:
        await node.ask(APP, "keep me")
        for bad in (package("raise OSError"), package("x = 1"), package(TWO, public="yes")):
            with pytest.raises(PackageError):
                await node.node.packages.install_files(bad)
        assert await node.ask(APP) == "one"
        assert await node.ask(APP, "kept") == "me"
        assert (await node.ps())[APP]["restarts"] == 0


async def test_code_that_is_imported_only_once_leaves_the_old_version_running():
    once = "import sys\nassert not hasattr(sys, 'nectar_once')\nsys.nectar_once = 1\n" + TWO
    async with SimHome().booted(package(ACTOR)) as node:
        try:
            with pytest.raises(PackageError, match="AssertionError"):
                await node.node.packages.install_files(package(once))
        finally:
            vars(sys).pop("nectar_once", None)
        assert await node.ask(APP) == "one"


async def test_an_unknown_key_of_a_manifest_is_a_warning():
    async with SimHome().booted(package(ACTOR, publik=True)) as node:
        assert "unknown key 'publik' is ignored; did you mean \"public\"?" in node.console.text


# -- upgrades


async def test_an_upgrade_runs_the_new_code_on_the_old_state():
    async with SimHome().booted(package(ACTOR)) as node:
        await node.ask(APP, "keep me")
        assert await node.node.packages.install_files(package(TWO)) == PackageId.from_str("app:me")
        assert await node.ask(APP) == "two"
        assert await node.ask(APP, "kept") == "me"


async def test_an_upgrade_at_boot_does_too():
    home = SimHome()
    async with home.booted(package(ACTOR)) as node:
        await node.ask(APP, "keep me")
    async with home.booted(package(TWO)) as node:
        assert (await node.ask(APP), await node.ask(APP, "kept")) == ("two", "me")


async def test_a_process_that_the_new_manifest_has_no_more_is_gone_for_good():
    home = SimHome()
    async with home.booted(package(ACTOR, KEEPER)) as node:
        assert set(await node.ps()) == {APP, "keeper:app:me"}
        await node.node.packages.install_files(package(ACTOR))
        assert set(await node.ps()) == {APP}
    async with home.booted() as node:
        assert set(await node.ps()) == {APP}


async def test_a_process_that_the_manifest_given_to_a_boot_has_no_more_is_gone_for_good():
    home = SimHome()
    async with home.booted(package(ACTOR, KEEPER)) as node:
        pass
    async with home.booted(package(ACTOR)) as node:
        assert set(await node.ps()) == {APP}
    async with home.booted() as node:
        assert set(await node.ps()) == {APP}


async def test_an_upgrade_ends_the_children_of_the_old_version_even_those_it_starts_meanwhile():
    fork = (
        ACTOR
        + """
async def spawn_at_the_end(our):
    try:
        await trio.sleep_forever()
    finally:
        with trio.CancelScope(shield=True):
            await spawn("late", "/app.py", OnExit.restart(), [], [], True)
real_init = init
async def init(our):
    if our.process.process == "app":
        start_soon(spawn_at_the_end, our)
    await real_init(our)
"""
    )
    async with SimHome().booted(package(fork)) as node:
        assert await node.ask(APP, "spawn child") == "child:app:me"
        await node.node.packages.install_files(package(TWO))
        assert set(await node.ps()) == {APP}


# -- grants


async def test_grants_are_made_when_all_processes_are_there():
    """Whoever stands first may grant to whoever stands last, in the manifest and among the packages."""
    last = KEEPER | {"process_name": "last"}
    async with SimHome().booted(
        package(ACTOR, last, public=False, grant_capabilities=["last:app:me", OTHER]),
        package(ACTOR.replace("app.py", "other.py"), name="other"),
    ) as node:
        assert await node.ask("last:app:me", f"ask {APP} hello") == "one"
        assert await node.ask(OTHER, f"ask {APP} hello") == "one"


async def test_what_is_not_granted_is_refused():
    async with SimHome().booted(package(ACTOR, KEEPER, public=False)) as node:
        assert await node.ask("keeper:app:me", f"ask {APP} hello") == "refused: capability_missing"


@pytest.mark.parametrize("crashed", [False, True])
async def test_what_a_package_granted_to_a_module_of_the_node_is_there_after_a_boot(crashed: bool):
    home = SimHome()
    async with home.booted(
        package(ACTOR, public=False, grant_capabilities=["http_server:sys:nectar"])
    ) as node:
        assert await node.ask(APP) == "one"
        if crashed:
            home = home.crash()
    for _ in range(2):
        async with home.booted() as node:
            assert await node.ask(APP) == "one"


async def test_a_grant_that_the_new_manifest_has_no_more_is_gone():
    home = SimHome()
    async with home.booted(
        package(ACTOR, public=False, grant_capabilities=["http_server:sys:nectar"])
    ) as node:
        assert await node.ask(APP) == "one"
    async with home.booted(package(ACTOR, public=False)) as node:
        with pytest.raises(NotAnswered, match="lacks the messaging capability"):
            await node.ask(APP)
    async with home.booted() as node:
        with pytest.raises(NotAnswered, match="lacks the messaging capability"):
            await node.ask(APP)


# -- the next boot


async def test_what_restarts_is_there_after_a_crash_and_what_does_not_is_gone():
    """C-081."""
    home = SimHome()
    async with home.booted(package(ACTOR, KEEPER | {"on_exit": None})) as node:
        assert await node.ask(APP, "keep me") == "one"
        home = home.crash()
    async with home.booted() as node:
        assert set(await node.ps()) == {APP}
        assert await node.ask(APP, "kept") == "me"


async def test_a_killed_process_is_gone_after_a_boot():
    home = SimHome()
    async with home.booted(package(ACTOR, KEEPER)) as node:
        await node.ask("kernel:sys:nectar", json.dumps({"KillProcess": APP}))
        home = home.crash()
    async with home.booted() as node:
        assert set(await node.ps()) == {"keeper:app:me"}


async def test_a_saved_process_whose_code_broke_stays_ended_and_says_why():
    home = SimHome()
    async with home.booted(package(ACTOR), package(ACTOR.replace("app.py", "other.py"), name="other")):
        pass
    await home.disk.write("app:me/pkg/app.py", b"x = 1\n")
    for _ in range(2):
        async with home.booted() as node:
            assert await node.ask(OTHER) == "one"
            broken = (await node.ps())[APP]
            assert broken["state"] == "ended"
            assert broken["last_error"] == (
                "/app:me/pkg/app.py: has no `init` (write `async def init(our: Address) -> None:`)"
            )
            with pytest.raises(NotAnswered, match=f"{APP} is ended, not running: .* has no `init`"):
                await node.ask(APP)
    async with home.booted() as node:
        await node.node.packages.install_files(package(TWO))
        assert await node.ask(APP) == "two"


async def test_a_saved_process_whose_package_lost_its_files_says_so():
    home = SimHome()
    async with home.booted(package(ACTOR)):
        pass
    await home.disk.remove("app:me")
    async with home.booted() as node:
        assert "there is no /app:me/pkg" in str((await node.ps())[APP]["last_error"])


async def test_a_saved_record_that_nobody_can_read_is_left_alone_and_named():
    home = SimHome()
    async with home.booted(package(ACTOR)):
        pass
    home.store.apply([Put("processes", OTHER, b"{}")])
    async with home.booted() as node:
        assert f"the saved process {OTHER} cannot be read and was left as it is" in node.console.text
        assert await node.ask(APP) == "one"
    assert await home.store.read("processes", OTHER) == b"{}"


# -- ready


async def test_a_boot_waits_until_each_process_receives():
    async with SimHome().booted(
        package("import trio\n" + ACTOR.replace("    while", "    await sleep(3)\n    while", 1))
    ):
        assert trio.current_time() == pytest.approx(3.0)


async def test_a_boot_does_not_wait_for_ever():
    """P33: no process may hold up a boot."""
    async with SimHome().booted(package(QUIET)) as node:
        assert trio.current_time() == pytest.approx(READY_SECONDS)
        assert (await node.ps())[APP]["state"] == "running"
        assert "does not receive, 5 s after its start" in logged(node)


async def test_a_process_whose_init_returns_at_once_is_named():
    code = "async def init(our): pass"
    async with SimHome().booted(package(code), package(ACTOR, name="other")) as node:
        assert logged(node) == "ended: init returned"


def logged(node: SimNode) -> str:
    return "\n".join(line.text for line in node.console.recent() if line.verbosity == 0)


async def test_a_process_that_crashes_at_once_holds_nothing_up():
    async with SimHome().booted(package("async def init(our): 1 / 0")) as node:
        assert trio.current_time() == pytest.approx(0.0)
        assert "ZeroDivisionError" in str((await node.ps())[APP]["last_error"])


# -- printing


async def test_what_a_package_prints_goes_to_the_console(capfd: pytest.CaptureFixture[str]):
    talker = "print('imported')\n" + ACTOR.replace("    while", "    print('a', 1, sep='-')\n    while", 1)
    async with SimHome().booted(package(talker)) as node:
        lines = [line.text for line in node.console.recent() if line.source == f"alice.uq@{APP}"]
    assert lines == ["imported", "a-1"]
    assert capfd.readouterr() == ("", "")


async def test_what_a_package_prints_to_a_file_goes_there(capfd: pytest.CaptureFixture[str]):
    talker = ACTOR.replace("    while", "    import sys\n    print('a', file=sys.stderr)\n    while", 1)
    async with SimHome().booted(package(talker)):
        pass
    assert capfd.readouterr() == ("", "a\n")


# -- the end


async def test_a_process_that_refuses_to_end_is_abandoned_and_named():
    stubborn = (
        "import trio\nasync def init(our):\n with trio.CancelScope(shield=True):\n  await trio.sleep(30)\n"
    )
    async with SimHome().booted(package(stubborn)) as node:
        before = trio.current_time()
        assert await node.node.stop() == [ProcessId.from_str(APP)]
        assert trio.current_time() - before < 4
        assert await node.node.stop() == [ProcessId.from_str(APP)]


async def test_a_node_called_our_is_refused():
    """C-011."""
    with pytest.raises(BadNodeName, match="'our'"):
        async with SimHome().booted(name="our"):
            raise AssertionError
