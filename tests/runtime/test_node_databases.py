"""kv and sqlite on a whole node: what a package stores is there after a crash, and no other package reaches it."""

from __future__ import annotations

import json

from kernel.address import PackageId
from runtime.node import open_node
from runtime.sim.listener import MemoryListener
from runtime.sim.open_files import SimOpenFiles
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


MANY = """
import json
from userland.process_lib import *

async def init(our):
    fds = Address(our.node, ProcessId("fd_manager", "sys", "nectar"))
    while True:
        count = int((await await_message()).ipc)
        for number in range(count):
            keys = await kv.open(our.package_id, f"db{number}")
            await keys.set("n", str(number))
        got = [await (await kv.open(our.package_id, f"db{n}")).get("n") for n in range(count)]
        state = (await Request().target(fds).ipc('"GetState"').send_and_await_response(5)).ipc
        Response().try_ipc([got == [b"%d" % n for n in range(count)], json.loads(state)["GetState"]]).send()
"""


async def test_who_keeps_more_databases_open_than_its_share_hits_its_limit() -> None:
    """PROTOCOL 7.9."""
    home = SimHome(open_files=SimOpenFiles(allowed=60, used=0))
    async with home.booted(package(MANY, request_capabilities=["fd_manager:sys:nectar"])) as node:
        few, standings = json.loads(await node.ask("app:app:me", "9"))
        assert few
        assert standings == {
            "kv:sys:nectar": {"limit": 12, "hit_count": 0},
            "sqlite:sys:nectar": {"limit": 12, "hit_count": 0},
        }
        many, standings = json.loads(await node.ask("app:app:me", "14"))
        assert many
        assert standings == {
            "kv:sys:nectar": {"limit": 18, "hit_count": 1},
            "sqlite:sys:nectar": {"limit": 6, "hit_count": 0},
        }
        before = home.engine.closings
        await node.ask("app:app:me", "18")
        assert home.engine.closings == before
    home.databases.close()
