"""kill -9 under load, then boot: every acknowledged state, key, row, file, process, end of a process and version of a
package must be there, and whole.

python -m tests.support.torture --kills 200 --seed 1
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import sys
import tempfile
import threading
from pathlib import Path

import attrs

from kernel.message import Payload
from runtime.command_error import CommandError
from sys_processes.app_store.archive import pack
from tests.support.live_node import LiveNode, Person, wait_until, write_package
from tests.support.sim_home import MODULES

WRITERS = [f"{name}:app:me" for name in ("state1", "state2", "keys", "rows", "files")]
CODE = """
from userland.process_lib import *

class State:
    async def put(self, number, text):
        await set_state(text)
    async def get(self):
        return await get_state() or b""

class Keys:
    # Both in one transaction, so that they must agree.
    def __init__(self, db):
        self.db = db
    async def put(self, number, text):
        tx = await self.db.begin_tx()
        await self.db.set("number", number, tx)
        await self.db.set("text", text, tx)
        await self.db.commit_tx(tx)
    async def get(self):
        try:
            number, text = await self.db.get("number"), await self.db.get("text")
        except kv.KvError as error:
            return b"" if error.error == kv.KeyNotFound() else repr(error).encode()
        return text if text.split()[0] == number else b"0 half a transaction"

class Rows:
    def __init__(self, db):
        self.db = db
    async def put(self, number, text):
        tx = await self.db.begin_tx()
        await self.db.write("DELETE FROM said", [], tx)
        await self.db.write("INSERT INTO said VALUES (?, ?)", [int(number), text.decode()], tx)
        await self.db.commit_tx(tx)
    async def get(self):
        rows = await self.db.read("SELECT number, text FROM said")
        if not rows:
            return b""
        (row,) = rows
        return row["text"].encode() if row["text"].split()[0] == str(row["number"]) else b"0 half a row"

class Files:
    def __init__(self, drive):
        self.path = drive + "/said"
    async def put(self, number, text):
        async with vfs.open_file(self.path, create=True) as file:
            await file.write(text)
            await file.sync_all()
    async def get(self):
        try:
            return await (await vfs.open_file(self.path)).read()
        except vfs.VfsError as error:
            return b""

async def kept_by(our):
    match our.process_name:
        case "keys":
            return Keys(await kv.open(our.package_id, "said"))
        case "rows":
            db = await sqlite.open(our.package_id, "said")
            await db.write("CREATE TABLE IF NOT EXISTS said (number INTEGER, text TEXT)")
            return Rows(db)
        case "files":
            return Files(await vfs.create_drive(our.package_id, "data"))
    return State()

async def init(our):
    kept = await kept_by(our)
    while True:
        try:
            message = await await_message()
            verb, _, rest = message.ipc.decode().partition(" ")
            if verb == "set":
                await kept.put(rest, f"{rest} ".encode() * (1 + int(rest) % 500))
            elif verb == "spawn":
                await spawn(rest, "/app.py", OnExit.restart(), [], [], True)
            elif verb == "get":
                Response().ipc(await kept.get()).send()
                continue
            Response().ipc(b"done").send()
        except SendError as error:
            println(error)
"""


# One version of a package, which has to be the same in all its files.
UPGRADED = """
from userland.process_lib import *
from .number import NUMBER

async def init(our):
    while True:
        await await_message()
        Response().ipc(f"{NUMBER} 0".encode()).send()
"""


class Lost(AssertionError):
    """Something acknowledged is not there, or something half is."""


@attrs.define
class Writer:
    """One client that numbers what it writes. `sent` may be there after a kill, `acknowledged` must."""

    process: str
    sent: int = 0
    acknowledged: int = 0

    def write_until_killed(self, node: LiveNode, home: Path) -> None:
        while True:
            self.sent += 1
            try:
                node.send(self.process, f"set {self.sent}", home=home)
            except CommandError:
                return
            self.acknowledged = self.sent

    def check(self, node: LiveNode, home: Path) -> None:
        words = node.send(self.process, "get", home=home).ipc.decode().split()
        found = int(words[0]) if words else 0
        if not self.acknowledged <= found <= self.sent:
            raise Lost(f"{self.process}: {self.acknowledged} was acknowledged, {found} is there")
        if words and words != [str(found)] * (1 + found % 500):
            raise Lost(f"{self.process}: what it kept of {found} is not whole: {words}")
        self.sent = self.acknowledged = found


@attrs.define
class Upgrader:
    """One client that installs version after version of a package."""

    process: str = "up:up:me"
    sent: int = 0
    acknowledged: int = 0
    wrong: str | None = None

    def write_until_killed(self, node: LiveNode, home: Path) -> None:
        while True:
            self.sent += 1
            try:
                for request, success in (
                    ('{"NewPackage":{"package":"up:me"}}', b'{"NewPackageResponse":"Success"}'),
                    ('{"Install":"up:me"}', b'{"InstallResponse":"Success"}'),
                ):
                    answer = node.send("main:app_store:nectar", request, self._zip(), home=home)
                    if answer.ipc != success:
                        self.wrong = f"version {self.sent} was refused: {answer}"
                        return
            except CommandError:
                return
            self.acknowledged = self.sent

    def _zip(self) -> Payload:
        entry = {"process_name": "up", "process_path": "/up.py", "on_exit": "Restart", "public": True}
        files = {
            "manifest.json": json.dumps([entry]).encode(),
            "number.py": f"NUMBER = {self.sent}\n".encode(),
            "up.py": UPGRADED.replace("0", str(self.sent)).encode(),
        }
        return Payload(None, pack(files))

    def check(self, node: LiveNode, home: Path) -> None:
        if self.wrong is not None:
            raise Lost(self.wrong)
        numbers = [0]
        if self.process in node.processes(home):
            numbers = [int(word) for word in node.send(self.process, "", home=home).ipc.split()]
        if len(set(numbers)) != 1 or not self.acknowledged <= numbers[0] <= self.sent:
            raise Lost(f"version {self.acknowledged} of {self.process} was acknowledged, {numbers} is there")
        self.sent = self.acknowledged = numbers[0]


@attrs.define(slots=False)
class Torture:
    """A home, and rounds of boot, look, load and kill in it."""

    folder: Path
    seed: int
    writers: list[Writer | Upgrader] = attrs.Factory(
        lambda: [*(Writer(process) for process in WRITERS), Upgrader()]
    )
    children: set[str] = attrs.Factory(set)
    rounds: int = 0

    def __attrs_post_init__(self) -> None:
        self._chance = random.Random(self.seed)
        entries: list[object] = [
            {
                "process_name": name.partition(":")[0],
                "process_path": "/app.py",
                "on_exit": "Restart",
                "public": True,
            }
            for name in WRITERS
        ]
        self._package = write_package(self.folder / "app", CODE, *entries)

    @property
    def home(self) -> Path:
        return self.folder / "home"

    def round(self) -> int:
        """Raises `Lost`. How many writes were acknowledged before the kill."""
        given = [] if self.rounds else ["--package", str(self._package)]
        with Person(self.folder).boot(self.home, *given) as node:
            self._check(node)
            self._change_children(node)
            before = self._acknowledged()
            threads = [
                threading.Thread(target=writer.write_until_killed, args=(node, self.home))
                for writer in self.writers
            ]
            for thread in threads:
                thread.start()
            wanted = before + self._chance.randint(1, 150)
            wait_until(
                lambda: self._acknowledged() >= wanted and all(w.acknowledged for w in self.writers),
                "the load",
            )
            node.process.send_signal(signal.SIGKILL)
            node.process.wait()
            for thread in threads:
                thread.join(30)
        self.rounds += 1
        return self._acknowledged() - before

    def _acknowledged(self) -> int:
        return sum(writer.acknowledged for writer in self.writers)

    def last_look(self) -> None:
        """Raises `Lost`."""
        with Person(self.folder).boot(self.home) as node:
            self._check(node)
            if node.stop() != 0:
                raise Lost(node.process.story())

    def _check(self, node: LiveNode) -> None:
        if not self.rounds:
            return
        for writer in self.writers:
            writer.check(node, self.home)
        there = set(node.processes(self.home)) - set(WRITERS) - {"app:app:me", "up:up:me"}
        there = {name for name in there if not name.endswith(MODULES)}
        if there != self.children:
            raise Lost(f"the children {sorted(self.children)} were acknowledged, {sorted(there)} are there")

    def _change_children(self, node: LiveNode) -> None:
        """One more, and now and then one less; both acknowledged."""
        child = f"child{self.rounds}"
        node.send("app:app:me", f"spawn {child}", home=self.home)
        self.children.add(f"{child}:app:me")
        if len(self.children) > 3:
            gone = self._chance.choice(sorted(self.children))
            node.send("kernel:sys:nectar", json.dumps({"KillProcess": gone}), home=self.home)
            self.children.remove(gone)


def torture(folder: Path, *, kills: int, seed: int) -> Torture:
    """Raises `Lost`."""
    done = Torture(folder, seed)
    for number in range(kills):
        acknowledged = done.round()
        sys.stdout.write(f"kill {number + 1} of {kills}: {acknowledged} writes acknowledged before it\n")
    done.last_look()
    return done


def main() -> None:
    parser = argparse.ArgumentParser(
        description="kill -9 a node under load, boot it, look whether all is there"
    )
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().getrandbits(32))
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="nectar-torture-"))
    verdict = "lost"
    try:
        done = torture(folder, kills=arguments.kills, seed=arguments.seed)
        verdict = f"kept {sum(writer.acknowledged for writer in done.writers)} writes"
        shutil.rmtree(folder)
    finally:
        where = "" if not folder.exists() else f" home: {folder}"
        sys.stdout.write(f"seed: {arguments.seed} kills: {arguments.kills} verdict: {verdict}{where}\n")


if __name__ == "__main__":
    main()
