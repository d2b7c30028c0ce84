"""Real nodes: `nectar boot` and `nectar dev` as programs of their own, in a home of the test's, on a free port."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from http.client import HTTPConnection
from pathlib import Path

import attrs

from kernel.address import ProcessId
from kernel.jsontext import JsonValue, parse
from kernel.message import Payload
from runtime.rpc_client import RpcAnswer, call, find_node
from runtime.sim.clients import Reply
from tests.support.live_process import SECONDS, LiveProcess, NotSeen, clean_environment

NECTAR = [sys.executable, "-m", "runtime"]
READY = re.compile(r"^ready: (http://127\.0\.0\.1:\d+)$", re.MULTILINE)
PASSWORD = "hunter2hunter2"


@attrs.frozen
class Said:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def advice(self) -> str:
        """The next command to try, with which every error ends."""
        lines = self.err.splitlines()
        assert lines[0].startswith("nectar: "), self.err
        assert lines[-1].startswith("try: "), self.err
        assert "Traceback" not in self.err
        return lines[-1].removeprefix("try: ")


@attrs.frozen
class Person:
    """Somebody at a shell, with a home folder of their own."""

    home: Path

    def nectar(self, *arguments: str | Path, stdin: str | None = None, **environment: str) -> Said:
        """Run a command to its end."""
        done = subprocess.run(
            [*NECTAR, *map(str, arguments)],
            cwd=self.home, env=clean_environment(self.home) | environment, input=stdin, check=False,
            stdin=None if stdin is not None else subprocess.DEVNULL, capture_output=True, text=True,
            timeout=SECONDS,
        )  # fmt: skip
        return Said(done.returncode, done.stdout, done.stderr)

    def start(self, *arguments: str | Path, **environment: str) -> LiveProcess:
        return LiveProcess(
            [*NECTAR, *map(str, arguments)],
            folder=self.home,
            environment=clean_environment(self.home) | environment,
        )

    @contextmanager
    def node(self, *arguments: str | Path, port: int = 0, **environment: str) -> Iterator[LiveNode]:
        """One that has said it is ready; ended with its block, however that ends."""
        process = self.start(*arguments, "--port", str(port), **environment)
        try:
            yield wait_ready(process)
        finally:
            process.close()

    def dev(self, *arguments: str | Path, port: int = 0) -> AbstractContextManager[LiveNode]:
        return self.node("dev", *arguments, port=port)

    def boot(
        self, home: Path, *arguments: str | Path, password: str = PASSWORD
    ) -> AbstractContextManager[LiveNode]:
        name = [] if (home / "keyfile.json").exists() else ["--name", "alice.uq"]
        return self.node("boot", home, *name, "--password-env", "PW", *arguments, PW=password)

    def left_behind(self) -> list[str]:
        """Temporary files and folders that nobody removed."""
        return sorted(path.name for path in (self.home / "tmp").iterdir())


def wait_ready(process: LiveProcess) -> LiveNode:
    process.wait_said(lambda: READY.search(process.out))
    found = READY.search(process.out)
    assert found is not None
    return LiveNode(process, found[1])


@attrs.frozen
class LiveNode:
    process: LiveProcess
    url: str

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    # -- messages

    def send(
        self,
        process: str,
        ipc: str,
        payload: Payload | None = None,
        *,
        seconds: int = 15,
        home: Path | None = None,
        node: str | None = None,
    ) -> RpcAnswer:
        """What it answers; the process may be one of another `node`. Raises `CommandError`."""
        door = find_node(home, self.url, Path("/nowhere"))
        answer = call(door, ProcessId.from_str(process), ipc, node=node, payload=payload, seconds=seconds)
        assert answer is not None
        return answer

    def processes(self, home: Path | None = None) -> dict[str, dict[str, JsonValue]]:
        """What `ps --json` lists, by id."""
        answer = self.send("kernel:sys:nectar", '{"Debug":"Processes"}', home=home)
        listed = json.loads(answer.ipc)["Debug"]["Processes"]
        return {line["id"]: line for line in listed}

    # -- the web

    def http(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Reply:
        """`content_type="x"` is the header `content-type: x`."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)
        try:
            connection.request(method, path, body, {k.replace("_", "-"): v for k, v in headers.items()})
            response = connection.getresponse()
            return Reply(response.status, [(k.lower(), v) for k, v in response.getheaders()], response.read())
        finally:
            connection.close()

    def login(self, password: str = "secret") -> str:
        """The token of a login."""
        reply = self.http("POST", "/login", json.dumps({"password": password}).encode())
        assert reply.status == 200, reply
        return (reply.header("set-cookie") or "").partition("=")[2].partition(";")[0]

    # -- waiting

    def wait_logged(self, text: str, times: int = 1) -> None:
        """Until stderr has it that often."""
        self.process.wait_said(lambda: self.process.err.count(text) >= times)

    def stop(self, number: int = signal.SIGINT) -> int:
        """Its exit code."""
        self.process.send_signal(number)
        return self.process.wait()


def wait_until(holds: Callable[[], object], what: str = "it", seconds: float = SECONDS) -> None:
    """Poll a condition that nobody tells about. Raises `NotSeen`."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            raise NotSeen(f"{what} did not happen within {seconds:g} s")
        time.sleep(0.02)


def write_package(folder: Path, code: str, *entries: object, name: str = "app", **entry: object) -> Path:
    """A package `{name}:me` with one process `{name}:{name}:me` of this code, public unless `entry` says otherwise."""
    (folder / "pkg").mkdir(parents=True, exist_ok=True)
    (folder / "metadata.json").write_text(json.dumps({"package": name, "publisher": "me"}))
    first = {
        "process_name": name,
        "process_path": f"/{name}.py",
        "on_exit": "Restart",
        "public": True,
    } | entry
    (folder / "pkg" / "manifest.json").write_text(json.dumps([first, *entries]))
    (folder / "pkg" / f"{name}.py").write_text(code)
    return folder


def json_of(text: str) -> JsonValue:
    return parse(text.encode())


__all__ = ["PASSWORD", "LiveNode", "Person", "Said", "json_of", "wait_ready", "wait_until", "write_package"]
