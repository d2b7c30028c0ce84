"""Packages out of a whole node, and what a crash or a stop in the middle leaves."""

from __future__ import annotations

import errno
from collections.abc import Mapping, Sequence

import pytest
import trio

from kernel.address import PackageId, ProcessId
from kernel.errors import KernelError
from kernel.jsontext import JsonValue
from runtime.sim.clients import HttpClient
from runtime.sim.disk import MemoryDisk
from tests.support import start_page
from tests.support.kit import SEED, KitAnswer
from tests.support.sim_home import NotAnswered, SimHome, SimNode, package
from tests.support.store_calls import (
    ACTOR,
    APP,
    FAILURE,
    SUCCESS,
    TWO,
    apps,
    install,
    names_on,
    post,
    put,
    put_in,
    uninstall,
)

# Takes its time to go: the kernel waits two seconds for it.
STUBBORN = ACTOR.replace(
    "async def init(our):",
    """async def init(our):
    try:
        await serving(our)
    finally:
        import trio
        with trio.CancelScope(shield=True):
            await trio.sleep(1.5)

async def serving(our):""",
)
SLOW = {"process_name": "slow", "process_path": "/slow.py", "on_exit": "Restart", "public": True}


def slow_to_end() -> dict[str, bytes]:
    """Its first process ends at once, the second one a while later."""
    return package(ACTOR, SLOW) | {"pkg/slow.py": STUBBORN.encode()}


# -- out


async def test_what_is_removed_is_gone_with_all_that_belonged_to_it():
    """C-161."""
    home = SimHome()
    friend = package(ACTOR, name="friend", request_capabilities=[APP])
    private = package(ACTOR, public=False, grant_capabilities=["http_server:sys:nectar"])
    async with home.booted(friend) as node:
        await put_in(node, private)
        await node.ask(APP, "keep me")
        assert (await http_get(node, f"/{APP}/")) == 200
        assert await node.ask("friend:friend:me", f"ask {APP} hello") == "one"
        assert (await start_page.post(node, "/favorite", b'["%s",true]' % APP.encode())).status == 200
        assert ("app", True) in await start_page.listed(node)
        assert (await uninstall(node)).body == {"UninstallResponse": SUCCESS}
        assert list(await node.ps()) == ["friend:friend:me"]
        assert "app" not in dict(await start_page.listed(node))
        assert (await http_get(node, f"/{APP}/")) == 404
        assert "app:me" not in await names_on(home)
        assert await home.store.read("states", APP) is None
        kernel = node.node.kernel
        for process in kernel.router.processes.values():
            assert not any(
                c.issuer.process.package_id == PackageId("app", "me") for c in process.holdings.all()
            )
        await put_in(node, private)
        assert ("app", False) in await start_page.listed(node)
        assert await node.ask(APP, "kept") == "nothing"
        assert "capability_missing" in await node.ask("friend:friend:me", f"ask {APP} hello")


async def http_get(node: SimNode, path: str) -> int:
    client = HttpClient(node.listener.connect())
    try:
        return (await client.ask("GET", path)).status
    finally:
        await client.close()


async def test_what_was_removed_stays_away():
    home = SimHome()
    async with home.booted() as node:
        await put_in(node, package(ACTOR))
        await uninstall(node)
    async with home.crash().booted() as node:
        assert await node.ps() == {}
        with pytest.raises(NotAnswered):
            await node.ask(APP)


async def test_a_package_that_starts_another_process_for_each_that_ends_is_removed_all_the_same():
    hydra = """
import trio
from userland.process_lib import *

async def init(our):
    try:
        await trio.sleep_forever()
    finally:
        with trio.CancelScope(shield=True):
            await trio.sleep(1)
            await spawn(None, "/app.py", OnExit.restart(), [], [], True)
"""
    async with SimHome().booted(package(hydra)) as node:
        with trio.fail_after(60):
            assert (await uninstall(node)).body == {"UninstallResponse": SUCCESS}
        assert await node.ps() == {}


# -- crashes and restarts


async def test_an_installed_package_is_there_after_a_stop_and_after_a_crash():
    home = SimHome()
    async with home.booted() as node:
        await put_in(node, package(ACTOR))
        await node.ask(APP, "keep me")
        crashed = home.crash()
    async with crashed.booted() as node:
        assert (await node.ask(APP), await node.ask(APP, "kept")) == ("one", "me")
    async with crashed.booted() as node:
        assert (await node.ask(APP), await node.ask(APP, "kept")) == ("one", "me")


async def crash_while(
    home: SimHome, node: SimNode, request: JsonValue, besides: Sequence[str] = ()
) -> SimHome:
    """The home as a crash leaves it one second after the request: one process has ended, one has not."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(post, node, SEED.process, request)
        await trio.sleep(1)
        assert list(await node.ps()) == [*besides, "slow:app:me"]
        await home.store.flush()
        crashed = home.crash()
        nursery.cancel_scope.cancel()
    return crashed


async def test_what_was_installed_is_served_as_soon_as_the_node_is_booted_again():
    slow = ACTOR.replace("    await http", "    import trio\n    await trio.sleep(2)\n    await http", 1)
    assert slow != ACTOR
    home = SimHome()
    async with home.booted() as node:
        await put_in(node, package(slow, SLOW) | {"pkg/slow.py": slow.encode()})
        await trio.sleep(5)
    async with home.booted() as node:
        assert [await http_get(node, f"/{pid}/") for pid in (APP, "slow:app:me")] == [200, 200]


async def test_an_install_cut_off_when_half_of_the_old_version_has_ended_is_finished_by_the_next_boot():
    home = SimHome()
    async with home.booted(slow_to_end()) as node:
        await node.ask(APP, "keep me")
        assert (await put(node, package(TWO))).body == {"NewPackageResponse": SUCCESS}
        crashed = await crash_while(home, node, SEED.install("app:me"))
    async with crashed.booted() as node:
        assert list(await node.ps()) == [APP]
        assert (await node.ask(APP), await node.ask(APP, "kept")) == ("two", "me")
    again = crashed.crash()
    async with again.booted() as node:
        assert await node.ask(APP) == "two"
        assert await again.store.scan("unfinished") == []


async def test_an_install_cut_off_that_cannot_be_finished_is_told_and_harms_nobody():
    home = SimHome()
    async with home.booted(slow_to_end(), package(ACTOR, name="other")) as node:
        crashed = await crash_while_other_runs(home, node)
    await crashed.disk.write("app:me/pkg/manifest.json", b"[{}]")
    async with crashed.booted() as node:
        assert "app:me was being installed when the node ended, and cannot be: " in node.console.text
        assert await node.ask("other:other:me") == "one"
        assert await crashed.store.scan("unfinished") == []


async def test_an_install_cut_off_of_which_the_drive_is_lost_stops_no_boot():
    home = SimHome()
    async with home.booted(slow_to_end(), package(ACTOR, name="other")) as node:
        crashed = await crash_while_other_runs(home, node)
    await crashed.disk.remove("app:me/pkg")
    await crashed.disk.write("app:me/pkg", b"not a folder")
    async with crashed.booted() as node:
        assert "app:me was being installed when the node ended, and cannot be: " in node.console.text
        assert await node.ask("other:other:me") == "one"


async def crash_while_other_runs(home: SimHome, node: SimNode) -> SimHome:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(install, node)
        await trio.sleep(1)
        assert APP not in await node.ps()
        crashed = home.crash()
        nursery.cancel_scope.cancel()
    return crashed


async def test_a_removal_cut_off_is_finished_by_the_next_boot():
    """C-161."""
    home = SimHome()
    async with home.booted(slow_to_end()) as node:
        await node.ask(APP, "keep me")
        crashed = await crash_while(home, node, SEED.uninstall("app:me"))
    async with crashed.booted() as node:
        assert await node.ps() == {}
        assert "app:me" not in await names_on(crashed)
        assert await crashed.store.read("states", APP) is None
        assert await crashed.store.scan("unfinished") == []


async def test_a_removal_cut_off_counts_for_nothing_when_the_package_is_given_again():
    home = SimHome()
    async with home.booted(slow_to_end()) as node:
        crashed = await crash_while(home, node, SEED.uninstall("app:me"))
    async with crashed.booted(package(TWO)) as node:
        assert list(await node.ps()) == [APP]
        assert await node.ask(APP) == "two"


class Stubborn(MemoryDisk):
    """Removes nothing while `refuses`."""

    refuses = False

    async def remove(self, path: str) -> None:
        if self.refuses:
            raise OSError(errno.EIO, "the disk is in no mood")
        await super().remove(path)


async def test_a_removal_that_the_disk_refused_is_done_by_the_next_boot():
    """C-161."""
    disk = Stubborn()
    home = SimHome(disk=disk)
    async with home.booted(package(ACTOR)) as node:
        disk.refuses = True
        answer = await uninstall(node)
        assert (answer.body, answer.said) == (
            {"UninstallResponse": FAILURE},
            "[Errno 5] the disk is in no mood",
        )
        disk.refuses = False
    async with home.crash().booted() as node:
        assert await apps(node) == {}


async def test_files_that_came_after_a_removal_that_failed_stay():
    disk = Stubborn()
    home = SimHome(disk=disk)
    async with home.booted(package(ACTOR)) as node:
        disk.refuses = True
        assert (await uninstall(node)).body == {"UninstallResponse": FAILURE}
        disk.refuses = False
        assert (await put(node, package(TWO))).body == {"NewPackageResponse": SUCCESS}
    async with home.crash().booted() as node:
        assert (await install(node)).body == {"InstallResponse": SUCCESS}
        assert await node.ask(APP) == "two"


async def test_a_node_that_stops_while_a_package_is_installed_has_it_at_the_next_boot():
    home = SimHome()
    async with home.booted(slow_to_end()) as node, trio.open_nursery() as nursery:
        await put(node, package(TWO))

        async def cut_off() -> None:
            with pytest.raises(KernelError, match="the node shuts down"):
                await node.node.packages.install(PackageId("app", "me"))

        nursery.start_soon(cut_off)
        await trio.sleep(1)
        await node.node.stop()
    async with home.booted() as node:
        assert list(await node.ps()) == [APP]
        assert await node.ask(APP) == "two"


async def test_installs_and_removals_of_several_askers_come_one_after_the_other():
    async with SimHome().booted(package(STUBBORN)) as node:
        packages = node.node.packages
        done: list[str] = []

        async def note(word: str, files: Mapping[str, bytes] | None) -> None:
            if files is None:
                await packages.remove(PackageId("app", "me"))
            else:
                await packages.install_files(files)
            done.append(word)

        async with trio.open_nursery() as nursery:
            for word, files in (
                ("a", package(STUBBORN)),
                ("b", None),
                ("c", package(TWO)),
                ("d", package(ACTOR)),
            ):
                nursery.start_soon(note, word, files)
                await trio.testing.wait_all_tasks_blocked()
        assert done == ["a", "b", "c", "d"]
        assert await node.ask(APP) == "one"
        assert (await node.ps())[APP]["restarts"] == 0


# -- the store itself is killed


async def end_the_store_while(node: SimNode, request: JsonValue, besides: Sequence[str] = ()) -> KitAnswer:
    """One second after the request, when one process has ended and one has not; what the asker hears."""
    answers: list[KitAnswer] = []

    async def ask() -> None:
        answers.append(await post(node, SEED.process, request))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        await trio.sleep(1)
        assert list(await node.ps()) == [*besides, "slow:app:me"]
        await node.node.kernel.kill(ProcessId.from_str(SEED.process))
    await trio.sleep(5)
    return answers[0]


async def test_an_install_that_is_cut_off_because_the_store_was_killed_is_finished_by_its_next_run():
    home = SimHome()
    async with home.booted(slow_to_end()) as node:
        await node.ask(APP, "keep me")
        await put(node, package(TWO))
        assert "ended" in (await end_the_store_while(node, SEED.install("app:me"))).said
        assert list(await node.ps()) == [APP]
        assert (await node.ask(APP), await node.ask(APP, "kept")) == ("two", "me")
        assert await home.store.scan("unfinished") == []


FRIEND = package(ACTOR, name="friend", request_capabilities=[APP])
PRIVATE = package(TWO, public=False, grant_capabilities=["http_server:sys:nectar"])
ASK = f"ask {APP} hello"


async def test_an_install_that_is_cut_off_takes_from_others_nothing_that_their_manifests_ask_of_it():
    async with SimHome().booted(FRIEND, slow_to_end()) as node:
        await put(node, PRIVATE)
        await end_the_store_while(node, SEED.install("app:me"), besides=["friend:friend:me"])
        assert await node.ask("friend:friend:me", ASK) == "two"


async def test_nor_does_one_that_the_next_boot_finishes():
    home = SimHome()
    async with home.booted(FRIEND, slow_to_end()) as node:
        await put(node, PRIVATE)
        crashed = await crash_while(home, node, SEED.install("app:me"), besides=["friend:friend:me"])
    async with crashed.booted() as node:
        assert await node.ask("friend:friend:me", ASK) == "two"


async def test_a_removal_that_is_cut_off_because_the_store_was_killed_is_finished_by_its_next_run():
    """C-161."""
    home = SimHome()
    async with home.booted(slow_to_end()) as node:
        await node.ask(APP, "keep me")
        assert (await start_page.post(node, "/favorite", b'["%s",true]' % APP.encode())).status == 200
        await end_the_store_while(node, SEED.uninstall("app:me"))
        assert (await node.ps(), await apps(node)) == ({}, {})
        assert await home.store.read("states", APP) is None
        assert await home.store.scan("unfinished") == []
        await put_in(node, package(ACTOR))
        assert await node.ask(APP, "kept") == "nothing"
        assert ("app", False) in await start_page.listed(node)


async def test_a_cut_off_install_that_cannot_be_finished_is_told_and_the_store_goes_on():
    home = SimHome()
    async with home.booted(slow_to_end()) as node:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(install, node)
            await trio.sleep(1)
            await home.disk.write("app:me/pkg/manifest.json", b"[{}]")
            await node.node.kernel.kill(ProcessId.from_str(SEED.process))
        await trio.sleep(5)
        assert "the install of app:me was cut off, and cannot be finished" in node.console.text
        await put_in(node, package(TWO))
        assert await node.ask(APP) == "two"


async def test_a_removal_that_the_disk_refused_may_be_asked_for_again():
    """C-161."""
    disk = Unsettled()
    home = SimHome(disk=disk)
    async with home.booted(package(ACTOR)) as node:
        await node.ask(APP, "keep me")
        disk.refuses = True
        assert (await uninstall(node)).body == {"UninstallResponse": FAILURE}
        disk.refuses = False
        assert (await uninstall(node)).body == {"UninstallResponse": SUCCESS}
        assert await home.store.read("states", APP) is None
        assert "there is no such package" in (await uninstall(node)).said


class Unsettled(MemoryDisk):
    """What was removed is not durable while it `refuses`."""

    refuses = False

    async def sync(self, path: str) -> None:
        if self.refuses:
            raise OSError(errno.EIO, "the disk is in no mood")
        await super().sync(path)


async def test_a_process_that_had_ended_before_the_removal_leaves_the_start_page_too():
    """C-161."""
    async with SimHome().booted(package(ACTOR)) as node:
        assert (await start_page.post(node, "/favorite", b'["%s",true]' % APP.encode())).status == 200
        await node.node.kernel.kill(ProcessId.from_str(APP))
        assert (await uninstall(node)).body == {"UninstallResponse": SUCCESS}
        await put_in(node, package(ACTOR))
        assert ("app", False) in await start_page.listed(node)
