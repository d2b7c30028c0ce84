from __future__ import annotations

import errno

import pytest
import trio

from kernel.address import Address, ProcessId
from kernel.capability import ROOT, Capability
from kernel.message import Message, Payload, Request
from kernel.ports import Init
from kernel.syscalls import current
from runtime.sim.disk import MemoryDisk
from runtime.sim.workers import InlineWorkers
from sys_processes.vfs import process as vfs
from tests.support.module_node import NODE, ask, module, module_node

VFS = Address(NODE, ProcessId("vfs", "sys", "nectar"))
CHESS = "chess:chess:nectar"
OTHER = "other:other:nectar"


async def a_disk() -> MemoryDisk:
    disk = MemoryDisk()
    await disk.write("chess:nectar/pkg/ui/index.html", b"<p>")
    await disk.write("chess:nectar/pkg/empty", b"")
    await disk.write("chess:nectar/data/saved", b"game")
    await disk.write("other:nectar/pkg/x", b"x")
    await disk.write(".staging/chess:nectar/new/secret", b"s")
    return disk


def modules(disk: MemoryDisk) -> dict[str, tuple[Init, bool]]:
    return {"vfs": (vfs.make(disk, InlineWorkers()), True)}


async def request(path: str, action: str = "Read") -> Message:
    return await ask("vfs", b'{"path":"%s","action":"%s"}' % (path.encode(), action.encode()))


async def test_a_process_reads_the_files_of_its_package() -> None:
    async def script() -> None:
        for path, content in (
            ("/chess:nectar/pkg/ui/index.html", b"<p>"),
            ("chess:nectar/pkg/ui/../empty", b""),
        ):
            answer = await request(path)
            assert answer.ipc == b'"Read"'
            assert answer.payload() == Payload("application/octet-stream", content)

    async with module_node(modules(await a_disk())) as node:
        await node.as_process(CHESS, script)


async def test_a_process_lists_and_measures_what_its_package_has() -> None:
    async def script() -> None:
        assert (await request("/chess:nectar/pkg", "ReadDir")).ipc == (
            b'{"ReadDir":[{"path":"chess:nectar/pkg/empty","file_type":"File"},'
            b'{"path":"chess:nectar/pkg/ui","file_type":"Directory"}]}'
        )
        assert (await request("/chess:nectar/data/saved", "Metadata")).ipc == (
            b'{"Metadata":{"file_type":"File","len":4}}'
        )

    async with module_node(modules(await a_disk())) as node:
        await node.as_process(CHESS, script)


async def test_a_missing_file_is_an_error_that_names_it() -> None:
    """C-151."""

    async def script() -> None:
        for action in ("Read", "ReadDir", "Metadata"):
            answer = await request("/chess:nectar/pkg/none", action)
            assert answer.ipc == b'{"Err":{"IOError":"No such file or directory: /chess:nectar/pkg/none"}}'

    async with module_node(modules(await a_disk())) as node:
        await node.as_process(CHESS, script)


async def test_no_path_leads_out_of_a_drive() -> None:
    """C-152."""

    async def script() -> None:
        for path in (
            "/chess:nectar/pkg/../../other:nectar/pkg/x",
            "/../x",
            "/.staging/chess:nectar/new/secret",
        ):
            answer = await request(path)
            assert answer.ipc.startswith(b'{"Err":{"ParseError":')
            assert answer.payload() is None

    async with module_node(modules(await a_disk())) as node:
        await node.as_process(CHESS, script)


async def test_another_package_needs_the_right_to_read_that_drive() -> None:
    """C-153."""
    granted = Capability(VFS, '{"kind":"read","drive":"/chess:nectar/data"}')

    async def without() -> None:
        for action in ("Read", "ReadDir", "Metadata"):
            assert (await request("/chess:nectar/data/saved", action)).ipc == b'{"Err":"NoReadCap"}'

    async def with_it() -> None:
        answer = await request("/chess:nectar/data/saved")
        assert answer.payload() == Payload("application/octet-stream", b"game")
        assert (await request("/chess:nectar/pkg/empty")).ipc == b'{"Err":"NoReadCap"}'

    async with module_node(modules(await a_disk())) as node:
        await node.as_process(OTHER, without)
        await node.as_process(OTHER, with_it, (granted,))


async def test_a_refused_process_does_not_learn_whether_a_file_exists() -> None:
    async def script() -> None:
        assert (await request("/chess:nectar/data/none")).ipc == b'{"Err":"NoReadCap"}'

    async with module_node(modules(await a_disk())) as node:
        await node.as_process(OTHER, script)


async def test_root_reads_everything_and_lists_the_drives() -> None:
    async def script() -> None:
        assert (await request("/chess:nectar/data/saved")).ipc == b'"Read"'
        assert (await request("/", "ReadDir")).ipc == (
            b'{"ReadDir":[{"path":"chess:nectar/data","file_type":"Directory"},'
            b'{"path":"chess:nectar/pkg","file_type":"Directory"},'
            b'{"path":"other:nectar/pkg","file_type":"Directory"}]}'
        )
        assert b"ParseError" in (await request("/", "Read")).ipc

    async with module_node(modules(await a_disk())) as node:
        await node.as_process(OTHER, script, (Capability(VFS, ROOT),))


async def test_listing_the_drives_wants_root() -> None:
    async def script() -> None:
        assert (await request("/", "ReadDir")).ipc == b'{"Err":"NoReadCap"}'

    async with module_node(modules(await a_disk())) as node:
        await node.as_process(CHESS, script)


class UnevenDisk(MemoryDisk):
    """Reading `slow` takes a second, everything else no time."""

    async def read(self, path: str) -> bytes:
        if path.endswith("slow"):
            await trio.sleep(1)
        return await super().read(path)


async def test_requests_of_one_process_are_answered_in_the_order_sent() -> None:
    """C-154."""
    disk = UnevenDisk()
    await disk.write("chess:nectar/pkg/slow", b"1")
    await disk.write("chess:nectar/pkg/fast", b"2")

    async def script() -> None:
        for name in (b"slow", b"fast", b"slow", b"fast"):
            ipc = b'{"path":"/chess:nectar/pkg/%s","action":"Read"}' % name
            current().send_request(module("vfs"), Request(False, 9, ipc), context=name)
        contexts = [(await current().receive()).context for _ in range(4)]
        assert contexts == [b"slow", b"fast", b"slow", b"fast"]

    async with module_node(modules(disk)) as node:
        await node.as_process(CHESS, script)


async def test_a_slow_process_does_not_hold_up_another() -> None:
    disk = UnevenDisk()
    await disk.write("chess:nectar/pkg/slow", b"1")
    await disk.write("other:nectar/pkg/fast", b"2")

    async def slow() -> None:
        for _ in range(5):
            await request("/chess:nectar/pkg/slow")

    async def fast() -> None:
        start = trio.current_time()
        await request("/other:nectar/pkg/fast")
        assert trio.current_time() == start

    async with module_node(modules(disk)) as node, trio.open_nursery() as nursery:
        nursery.start_soon(node.as_process, CHESS, slow)
        await trio.sleep(0.5)
        await node.as_process(OTHER, fast)


async def test_a_broken_disk_is_an_error_of_the_request_and_no_more() -> None:
    disk = await a_disk()

    async def script() -> None:
        disk.broken = errno.EIO
        assert b'{"Err":{"IOError":' in (await request("/chess:nectar/pkg/empty")).ipc
        disk.broken = None
        assert (await request("/chess:nectar/pkg/empty")).ipc == b'"Read"'

    async with module_node(modules(disk)) as node:
        await node.as_process(CHESS, script)


@pytest.mark.parametrize("ipc", [b"", b"{}", b'{"path":"/chess:nectar/pkg/x","action":"write"}', b"\xff"])
async def test_a_malformed_request_is_answered_and_survived(ipc: bytes) -> None:
    """C-172."""

    async def script() -> None:
        assert (await ask("vfs", ipc)).ipc == b'{"Err":"MalformedRequest"}'
        current().send_request(module("vfs"), Request(ipc=ipc))
        assert (await request("/chess:nectar/pkg/empty")).ipc == b'"Read"'

    async with module_node(modules(await a_disk())) as node:
        await node.as_process(CHESS, script)


async def test_a_request_of_another_node_reads_nothing() -> None:
    """C-158."""
    async with module_node(modules(await a_disk())) as node:
        ipc = b'{"path":"/evil:bob.uq/pkg/x","action":"Read"}'
        assert await node.from_another_node("vfs", Request(False, 5, ipc)) == [b'{"Err":"NoReadCap"}']
