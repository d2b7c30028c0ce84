"""kv and sqlite on a whole node: what a package stores is there after a crash, and no other package reaches it."""

from __future__ import annotations

from kernel.address import PackageId
from runtime.node import open_node
from runtime.sim.listener import MemoryListener
from tests.support.sim_home import SimHome, package
from tests.support.web_node import devices, secrets

STORES = """
import json
from userland.process_lib import *

async def init(our):
    keys = await kv.open(our.package_id, "keys")
    rows = await sqlite.open(our.package_id, "rows")
    await rows.write("CREATE TABLE IF NOT EXISTS said (n INTEGER PRIMARY KEY, words, at DEFAULT CURRENT_TIMESTAMP)")
    while True:
        words = (await await_message()).ipc.decode()
        await rows.write("INSERT INTO said (words) VALUES (?)", [words])
        await keys.set("last", words)
        await keys.set("lost", words, await keys.begin_tx())
        Response().try_ipc(await rows.read("SELECT words, at FROM said ORDER BY n")).send()
"""

THIEF = """
from userland.process_lib import *

async def init(our):
    while True:
        await await_message()
        said = []
        for call in (
            kv.open("app:me", "keys"), kv.Kv(PackageId("app", "me"), "keys").get("last"),
            sqlite.open("app:me", "rows"), sqlite.Sqlite(PackageId("app", "me"), "rows").read("SELECT * FROM said"),
        ):
            try:
                said.append(str(await call))
            except (kv.KvError, sqlite.SqliteError) as error:
                said.append(type(error.error).__name__)
        Response().ipc(" ".join(said)).send()
"""


async def test_a_package_finds_after_a_crash_what_it_stored() -> None:
    home = SimHome()
    async with home.booted(package(STORES)) as node:
        assert '"words":"one"' in await node.ask("app:app:me", "one")
    home = home.crash()
    async with home.booted() as node:
        said = await node.ask("app:app:me", "two")
        assert said.index('"words":"one"') < said.index('"words":"two"')
        # The node's clock, not that of the machine.
        assert '"at":"2023-11-14 ' in said
    home.databases.close()


async def test_no_other_package_reaches_it() -> None:
    """C-156, C-157."""
    home = SimHome()
    async with home.booted(package(STORES), package(THIEF, name="thief")) as node:
        await node.ask("app:app:me", "secret")
        found = await node.ask("thief:thief:me", "go")
        assert found == "MismatchingPackageId NoReadCap MismatchingPackageId NoReadCap"
    home.databases.close()


async def test_a_package_that_is_removed_takes_its_databases_along() -> None:
    home = SimHome()
    async with home.booted(package(STORES), package(STORES, name="other")) as node:
        for app in ("app", "other"):
            await node.ask(f"{app}:{app}:me", "mine")
        mine, others = PackageId("app", "me"), PackageId("other", "me")
        await node.node.packages.remove(mine)
        for kept in (home.engine, home.databases):
            assert await kept.names(mine) == []
            assert len(await kept.names(others)) == 1
    home.databases.close()


async def test_a_node_without_engines_has_neither() -> None:
    from runtime.sim.console import MemoryConsole
    from tests.support.web_node import Wall

    given = devices(MemoryListener(), MemoryConsole(), Wall())
    async with open_node("alice.uq", given, secrets()) as node:
        ids = {str(standing.id) for standing in node.kernel.standings()}
        assert "timer:sys:nectar" in ids
        assert not ids & {"kv:sys:nectar", "sqlite:sys:nectar"}
