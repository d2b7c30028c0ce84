"""Keys, rows and files that must outlive crashes, as `keep` has it for states."""

from __future__ import annotations

from runtime.sim.world import World
from tests.simulation.zoo.base import outlast, run_out
from tests.simulation.zoo.keep import NODE, STORE_SECONDS, Keep
from tests.support.sim_home import package

KEEPER = """
import hashlib
from userland.process_lib import *

def seal(text):
    return hashlib.sha256(text).hexdigest().encode() + text

def unsealed(kept):
    return kept[64:] if seal(kept[64:]) == kept else b"torn,"

class Keys:
    # How much there is, and what, in one transaction.
    def __init__(self, db):
        self.db = db
    async def put(self, known):
        tx = await self.db.begin_tx()
        await self.db.set("size", str(len(known)), tx)
        await self.db.set("known", known, tx)
        await self.db.commit_tx(tx)
    async def get(self):
        try:
            known = await self.db.get("known")
        except kv.KvError as error:
            if error.error == kv.KeyNotFound():
                return b""
            raise
        return known if await self.db.get("size") == str(len(known)).encode() else b"torn,"

class Rows:
    def __init__(self, db):
        self.db = db
    async def put(self, known):
        tx = await self.db.begin_tx()
        await self.db.write("DELETE FROM said", [], tx)
        await self.db.write("INSERT INTO said VALUES (?)", [known.decode()], tx)
        await self.db.commit_tx(tx)
    async def get(self):
        rows = await self.db.read("SELECT known FROM said")
        return rows[0]["known"].encode() if rows else b""

class Files:
    # A new file, whole on the disk before it takes the place of the old one.
    def __init__(self, drive):
        self.path = drive + "/known"
    async def put(self, known):
        async with vfs.open_file(self.path + ".new", create=True) as file:
            await file.write(seal(known))
            await file.sync_all()
        await vfs.rename(self.path + ".new", self.path)
        await vfs.File(self.path).sync_all()
    async def get(self):
        names = [entry.path.rpartition("/")[2] for entry in await vfs.Directory(self.path.rpartition("/")[0]).read()]
        return unsealed(await vfs.File(self.path).read()) if "known" in names else b""

async def opened(our):
    match our.process.package:
        case "keys":
            return Keys(await kv.open(our.package_id, "said"))
        case "rows":
            db = await sqlite.open(our.package_id, "said")
            await db.write("CREATE TABLE IF NOT EXISTS said (known TEXT)")
            return Rows(db)
    return Files(await vfs.create_drive(our.package_id, "data"))

WRONG = (SendError, kv.KvError, sqlite.SqliteError, vfs.VfsError)

async def until_it_works(call, *args):
    while True:
        try:
            return await call(*args)
        except WRONG:
            await sleep(1)

async def init(our):
    kept = await until_it_works(opened, our)
    known = await until_it_works(kept.get)
    while True:
        try:
            message = await await_message()
        except SendError:
            continue
        if message.ipc == b"fall":
            raise RuntimeError("as asked")
        if message.ipc != b"?":
            known += message.ipc + b","
            try:
                await kept.put(known)
            except WRONG as error:
                Response().ipc(b"not kept: " + str(error).encode()).send()
                continue
        Response().ipc(b"kept").payload(Payload(bytes=known)).send()
"""
"""Adds what it is told to what it keeps, and says what it knows once that is durable."""
KEEPERS = ("keeper:keys:me", "keeper:rows:me", "keeper:files:me")


async def stored(w: World) -> None:
    apps = [package(KEEPER, name=pid.split(":")[1], process_name="keeper") for pid in KEEPERS]
    node = await w.node(NODE, apps)
    node.store.pause = w.pause("keep store", STORE_SECONDS)
    keeps = [Keep(w, node, keeper) for keeper in KEEPERS]
    for one in keeps:
        w.start_soon(one.work)
    await outlast(w)
    await run_out(w)
    for one in keeps:
        await one.judge()
