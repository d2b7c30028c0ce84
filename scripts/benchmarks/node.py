"""Our side: a real node as `nectar dev` starts it, with the bench package, asked through its RPC route."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from scripts.benchmarks.rounds import Measured

ROOT = Path(__file__).parent.parent.parent
PACKAGE = Path(__file__).parent / "package"
ECHO = ROOT / "userland" / "apps" / "echo"
PATIENCE = 600
SERVER_CPU, CLIENT_CPU = 0, 1


def pin(cpu: int) -> None:
    """Keep this process on one core, so that server and client do not push each other about."""
    if (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(0, {cpu})


def resident(pid: int) -> int:
    """Bytes of memory a process occupies."""
    pages = Path(f"/proc/{pid}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


class Node:
    def __init__(self, process: subprocess.Popen[str], url: str) -> None:
        self._process = process
        self.url = url

    def resident(self) -> int:
        return resident(self._process.pid)

    def peak(self) -> int:
        """Bytes of memory that it has occupied at most."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024

    def ask(self, process: str, ipc: str) -> bytes:
        """The ipc of the answer to one injected message."""
        call = {"process": process, "ipc": ipc, "expects_response": PATIENCE}
        request = urllib.request.Request(
            f"{self.url}/rpc:sys:nectar/message",
            data=json.dumps(call).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return bytes(json.loads(answer.read())["ipc"])

    def work(self, name: str, count: int) -> Measured:
        found = json.loads(self.ask("bench:bench:nectar", json.dumps({"work": name, "count": count})))
        if found["count"] != count:
            raise SystemExit(f"{name}: {found['count']} of {count} came through as sent")
        return Measured(found.pop("count"), found.pop("seconds"), found)

    def token(self) -> str:
        """A login token, as a browser finds it in its cookie."""
        request = urllib.request.Request(f"{self.url}/login", data=b'{"password":"secret"}')
        with urllib.request.urlopen(request) as answer:
            cookie: str = answer.headers["Set-Cookie"]
        return cookie.partition(";")[0].partition("=")[2]


@contextlib.contextmanager
def running(*, patient: bool = False) -> Iterator[Node]:
    """A throw-away node with the package of benches and the echo app, gone at the end.

    As people run it, but that a `patient` one waits for an answer as long as work takes. What it logs is shown when the
    work fails. It is killed, because a node with 100,000 processes says goodbye to each.
    """
    with tempfile.TemporaryDirectory() as home:
        log = Path(home) / "bench.log"
        command = [
            str(Path(sys.executable).with_name("nectar")),
            *("dev", str(PACKAGE), str(ECHO), "--home", str(Path(home) / "node")),
            *("--port", "0", *(("--set", f"http.timeout={PATIENCE}") if patient else ())),
        ]
        with log.open("w") as told:
            process = subprocess.Popen(
                command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=told, text=True,
                preexec_fn=lambda: pin(SERVER_CPU),
                env=os.environ | {"NECTAR_LOCAL_DIRECTORY": str(Path(home) / "local")},
            )  # fmt: skip
        try:
            yield Node(process, _url(process))
        except BaseException:
            print(log.read_text()[-2000:], file=sys.stderr)
            raise
        finally:
            process.kill()
            process.communicate()


def _url(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("ready: "):
            return line.removeprefix("ready: ").strip()
    raise SystemExit("the node did not become ready")


def register(node: Node) -> str:
    """What a WebSocket client says first to reach the echo app."""
    return json.dumps({"auth_token": node.token(), "target_process": "echo:echo:nectar", "encrypted": False})
