"""Runs of a simulated node that are written down, and played again."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import attrs

from kernel.events import Observer
from runtime.node import PackageFiles
from runtime.packages import read_package
from runtime.record.cleaning import Cleaner
from runtime.record.lines import LINE
from runtime.record.reader import ReadRecord, read_record
from runtime.record.recorder import Recorder
from runtime.sim.replay_record import ReplayReport, replay_record
from runtime.sim.scheduler import run_deterministic
from tests.support.web_node import RPC_TOKEN, SECRET, WebNode, web_node

APPS = Path(__file__).parents[2] / "userland" / "apps"

Story = Callable[[WebNode], Awaitable[None]]


def example(*names: str) -> list[PackageFiles]:
    return [read_package(APPS / name) for name in names]


def package_of(modules: dict[str, str], *processes: str, name: str = "app", **entry: object) -> PackageFiles:
    """`{name}:me`, whose `processes` are its modules of these names; public, and with the given manifest keys."""
    manifest = [
        {"process_name": process, "process_path": f"/{process}.py", "on_exit": "Restart", "public": True}
        | {"request_networking": False} | entry
        for process in processes or (name,)
    ]  # fmt: skip
    files = {f"pkg/{module}.py": code.encode() for module, code in modules.items()}
    return {
        "metadata.json": json.dumps({"package": name, "publisher": "me"}).encode(),
        "pkg/manifest.json": json.dumps(manifest).encode(),
        **files,
    }


@attrs.frozen
class Recorded:
    path: Path

    @classmethod
    def of(cls, path: Path, written: Sequence[bytes]) -> Recorded:
        path.write_bytes(b"".join(line + b"\n" for line in written))
        return Recorded(path)

    def read(self) -> ReadRecord:
        return read_record(self.path)

    def replay(self, **how: object) -> ReplayReport:
        return replay_record(self.path, **how)

    def assert_same(self) -> ReplayReport:
        report = self.replay()
        assert report.exit_code == 0, report.text()
        return report

    def cut(self, size: int) -> Recorded:
        """As a kill leaves it, with so many bytes of it written."""
        path = self.path.with_name(f"cut-{size}.jsonl")
        path.write_bytes(self.path.read_bytes()[:size])
        return Recorded(path)


def record(
    folder: Path,
    packages: Sequence[PackageFiles],
    story: Story,
    *,
    seed: int = 1,
    observer: Observer | None = None,
    name: str = "run.jsonl",
) -> Recorded:
    """What the story does on a node with these packages. Call it outside of `trio.run`."""
    written: list[bytes] = []

    async def run() -> None:
        recorder = recorder_into(written)
        async with web_node(packages=packages, seed=seed, recorder=recorder, observer=observer) as web:
            await story(web)

    run_deterministic(run, seed=seed)
    return Recorded.of(folder / name, written)


def recorder_into(written: list[bytes]) -> Recorder:
    """The lines, each encoded as it happens."""
    return Recorder(lambda line: written.append(LINE.encode(line)), Cleaner((RPC_TOKEN.encode(), SECRET)))


async def ask(web: WebNode, process: str, ipc: str = "", seconds: int = 5) -> str:
    """The ipc of what it answers to the RPC route, or the error of that, as text."""
    call = json.dumps({"process": process, "ipc": ipc, "expects_response": seconds}).encode()
    reply = await web.http(
        "POST",
        "/rpc:sys:nectar/message",
        call,
        content_type="application/json",
        authorization=f"Bearer {RPC_TOKEN}",
    )
    answer = json.loads(reply.body)
    return bytes(answer["ipc"]).decode() if reply.status == 200 else answer["error"]
