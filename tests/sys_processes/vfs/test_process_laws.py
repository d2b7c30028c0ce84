"""vfs against a model of a file system, with crashes between any two steps (PROTOCOL 7.3)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import takewhile
from typing import Any

import attrs
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel.jsontext import JsonValue
from runtime.sim.disk import MemoryDisk
from runtime.sim.workers import InlineWorkers
from sys_processes.vfs import process as vfs
from tests.support.module_node import ModuleNode, module_node
from tests.support.vfs_calls import DATA, call, content

WHO = ("white:chess:nectar", "black:chess:nectar")
NAMES = ("a", "b")


@attrs.define
class Model:
    """What files hold, what of it is durable, and where each process is."""

    files: dict[str, bytes] = attrs.Factory(dict)
    durable: dict[str, bytes] = attrs.Factory(dict)
    at: dict[tuple[str, str], int] = attrs.Factory(dict)

    def do(self, who: str, name: str, action: Any, data: bytes) -> object:
        """The answer: bytes, `"Ok"`, a number, or None for an error."""
        kind, value = next(iter(action.items())) if isinstance(action, dict) else (action, None)
        needs = kind not in ("Write", "CreateFile") and not (kind == "OpenFile" and value["create"])
        if needs and name not in self.files:
            return None
        return getattr(self, f"_{kind.lower()}")((who, name), name, value, data)

    def _put(self, key: tuple[str, str], name: str, offset: int, data: bytes) -> str:
        before = self.files.get(name, b"")
        self.files[name] = before[:offset].ljust(offset, b"\0") + data + before[offset + len(data) :]
        if not data:
            self.files[name] = before
        self.at[key] = offset + len(data)
        return "Ok"

    def _write(self, key, name, _value, data):
        self.files[name], self.at[key] = data, len(data)
        return "Ok"

    def _writeall(self, key, name, _value, data):
        return self._put(key, name, self.at.get(key, 0), data)

    def _append(self, key, name, _value, data):
        return self._put(key, name, len(self.files[name]), data)

    def _createfile(self, key, name, _value, _data):
        self.files[name], self.at[key] = b"", 0
        return "Ok"

    def _openfile(self, key, name, _value, _data):
        self.files.setdefault(name, b"")
        self.at[key] = 0
        return "Ok"

    def _setlen(self, _key, name, value, _data):
        self.files[name] = self.files[name][:value].ljust(value, b"\0")
        return "Ok"

    def _seek(self, key, name, value, _data):
        (kind, offset), size = next(iter(value.items())), len(self.files[name])
        found = {"Start": 0, "Current": self.at.get(key, 0), "End": size}[kind] + offset
        if found < 0:
            return None
        self.at[key] = found
        return found

    def _read(self, _key, name, _value, _data):
        return self.files[name]

    def _readtoend(self, key, name, _value, _data):
        found = self.files[name][self.at.get(key, 0) :]
        self.at[key] = self.at.get(key, 0) + len(found)
        return found

    def _readexact(self, key, name, value, _data):
        at = self.at.get(key, 0)
        if value > max(0, len(self.files[name]) - at):
            return None
        self.at[key] = at + value
        return self.files[name][at : at + value]

    def _len(self, _key, name, _value, _data):
        return len(self.files[name])

    def _syncall(self, _key, name, _value, _data):
        self.durable[name] = self.files[name]
        return "Ok"

    def _removefile(self, _key, name, _value, _data):
        del self.files[name]
        self._all_leave(name)
        return "Ok"

    def _rename(self, _key, name, value, _data):
        new = value["new_path"].rpartition("/")[2]
        self.files[new] = self.files.pop(name)
        self._all_leave(name, new)
        return "Ok"

    def _copyfile(self, _key, name, value, _data):
        new = value["new_path"].rpartition("/")[2]
        self.files[new] = self.files[name]
        self._all_leave(new)
        return "Ok"

    def _all_leave(self, *names: str) -> None:
        self.at = {key: at for key, at in self.at.items() if key[1] not in names}

    def crash(self, keep: str) -> None:
        self.files = dict(self.durable if keep == "flushed" else self.files)
        self.durable, self.at = dict(self.files), {}


SMALL = st.integers(0, 5)
PATHS = st.sampled_from([{"new_path": f"{DATA}/{name}"} for name in NAMES])
ACTIONS: st.SearchStrategy[JsonValue] = st.one_of(
    *map(st.just, ("Write", "WriteAll", "WriteAll", "Append", "CreateFile", "Read", "ReadToEnd", "Len")),
    *map(st.just, ("SyncAll", "SyncAll", "RemoveFile")),
    st.booleans().map(lambda create: {"OpenFile": {"create": create}}),
    SMALL.map(lambda size: {"SetLen": size}),
    SMALL.map(lambda length: {"ReadExact": length}),
    SMALL.map(lambda offset: {"Seek": {"Start": offset}}),
    st.integers(-3, 3).map(lambda offset: {"Seek": {"Current": offset}}),
    st.integers(-3, 3).map(lambda offset: {"Seek": {"End": offset}}),
    PATHS.map(lambda path: {"Rename": path}),
    PATHS.map(lambda path: {"CopyFile": path}),
)
STEPS = st.lists(
    st.one_of(
        *(
            st.tuples(st.sampled_from(WHO), st.sampled_from(NAMES), ACTIONS, st.binary(max_size=3))
            for _ in range(9)
        ),
        st.sampled_from(["flushed", "all"]),
    ),
    min_size=20,
    max_size=40,
)


async def answered(name: str, action: JsonValue, data: bytes) -> object:
    """As the model answers."""
    path = f"{DATA}/{name}"
    if action in ("Read", "ReadToEnd") or (isinstance(action, dict) and "ReadExact" in action):
        found = await content(path, action)
        return found if isinstance(found, bytes) else None
    match await call(path, action, data):
        case {"Err": _}:
            return None
        case {"Len": number} | {"SeekFrom": {"new_offset": number}}:
            return number
        case answer:
            return answer


@given(STEPS)
@settings(max_examples=60, deadline=None)
async def test_files_are_what_the_model_says_through_crashes(steps) -> None:
    model, disk = Model(), MemoryDisk()
    for name in NAMES:
        model.files[name] = model.durable[name] = b"abcd"
        await disk.write(f"chess:nectar/data/{name}", b"abcd")
    await disk.sync("")
    rest = list(steps)
    while rest:
        life = list(takewhile(lambda step: not isinstance(step, str), rest))
        async with module_node({"vfs": (vfs.make(disk, InlineWorkers()), True)}) as node:
            await node.as_process(WHO[0], partial(live, node, model, life))
        del rest[: len(life)]
        if rest:
            keep = rest.pop(0)
            model.crash(keep)
            disk = disk.crash(keep)


async def live(node: ModuleNode, model: Model, steps: Sequence[Any]) -> None:
    """The second process lives within the first, which does what it does beside it."""
    turn, done = trio.open_memory_channel[Any](0), trio.open_memory_channel[None](0)

    async def second() -> None:
        async for step in turn[1]:
            await compare(model, *step)
            await done[0].send(None)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(node.as_process, WHO[1], second)
        async with turn[0]:
            for step in steps:
                if step[0] == WHO[0]:
                    await compare(model, *step)
                else:
                    await turn[0].send(step)
                    await done[1].receive()


async def compare(model: Model, who: str, name: str, action: JsonValue, data: bytes) -> None:
    expected = model.do(who, name, action, data)
    assert (who, action, await answered(name, action, data)) == (who, action, expected)
