"""`nectar run-tests`: boots the nodes that tests.toml names, has their test packages run, and says what came of it.

Each node is a process of its own, `nectar dev` on a free port of this machine; the nodes of one run see each other and
no others. Whatever happens, they are ended before this returns.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import attrs

from kernel.address import PackageId, ProcessId
from kernel.codec import Malformed
from kernel.jsontext import dump
from runtime.command_error import FAILED, USAGE, CommandError
from runtime.local_directory import VARIABLE
from runtime.node_file import read_node_file
from runtime.packages import compile_plan, read_package
from runtime.rpc_client import NodeDoor, call, find_node
from runtime.tests_file import FreshNode, Round, read_tests
from sys_processes.app_store.core import Surroundings, plan_install
from sys_processes.app_store.fields import PackageError
from sys_processes.net.protocol import NET, GetPeer, PeerFound, decode_response, encode_action
from sys_processes.tester.protocol import TESTER_ANSWER, TESTER_REQUEST, FailedTest, Run, RunForm, failure_in

BOOT_SECONDS = 60.0
STOP_SECONDS = 5.0
_LOOK_AGAIN = 0.1
_LAST_LINES = 40


@attrs.frozen
class _Result:
    package: PackageId
    failed: FailedTest | None = None
    error: str | None = None
    """Why nobody knows whether it passes."""

    @property
    def passed(self) -> bool:
        return self.failed is None and self.error is None

    def text(self) -> str:
        if self.error is not None:
            return f"FAIL {self.package}: {self.error}"
        if self.failed is None:
            return f"pass {self.package}"
        one = self.failed
        place = f"{one.file}:{one.line}" if one.line else one.file
        return f"FAIL {self.package}: {one.test} at {place}"

    def as_json(self) -> dict[str, object]:
        failed = None if self.failed is None else attrs.asdict(self.failed)
        return {"package": str(self.package), "passed": self.passed, "failed": failed, "error": self.error}


def run_tests(path: Path, *, as_json: bool) -> int:
    """The exit code: 0, or 1 when a test fails. Raises `CommandError`."""
    again = f"nectar run-tests {path}"
    try:
        runs, warnings = read_tests(path)
    except FileNotFoundError:
        problem = f"there is no {path}, which says what to test on which nodes"
        raise CommandError(problem, "nectar new DIR --template echo", USAGE) from None
    except (OSError, PackageError) as error:
        raise CommandError(str(error), again, USAGE) from None
    for warning in warnings:
        sys.stderr.write(f"{warning}\n")
    failed = 0
    for run in runs:
        asked = [_test_process(folder, again) for folder in run.tests]
        for result in _results(run, asked, again):
            failed += not result.passed
            sys.stdout.write(f"{dump(result.as_json()).decode() if as_json else result.text()}\n")
            sys.stdout.flush()
    return FAILED if failed else 0


def _test_process(folder: Path, again: str) -> ProcessId:
    """The first process of the package, which is asked. Raises `CommandError`."""
    try:
        plan = plan_install(read_package(folder), Surroundings("our", (), approved=True))
        compile_plan(plan)
    except PackageError as error:
        raise CommandError(f"{folder}: {error}", again) from None
    if not plan.processes:
        raise CommandError(f"{folder} has no process that could run tests", again)
    return plan.processes[0].id


def _results(run: Round, asked: Sequence[ProcessId], again: str) -> Iterator[_Result]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="nectar-tests-")))
        nodes = [
            stack.enter_context(_node(node, folder, [*run.packages, *(run.tests if first else ())], again))
            for first, node in ((number == 0, node) for number, node in enumerate(run.nodes))
        ]
        for node in nodes:
            node.wait_until_up()
        doors = [node.door() for node in nodes]
        names = [node.name for node in run.nodes]
        _wait_until_acquainted(doors, names, nodes)
        for process in asked:
            result = _asked(doors[0], process, names, run.seconds)
            if not result.passed:
                sys.stderr.write(f"{nodes[0].said()}\n")
            yield result


def _asked(door: NodeDoor, process: ProcessId, names: Sequence[str], seconds: int) -> _Result:
    request = Run(RunForm(tuple(names), (str(process.package_id),), seconds))
    try:
        # The process ends the round by itself when its time is over.
        answer = call(door, process, TESTER_REQUEST.encode(request).decode(), seconds=seconds + 5)
        assert answer is not None
        return _Result(process.package_id, failure_in(TESTER_ANSWER.decode(answer.ipc)))
    except Malformed as error:
        return _Result(process.package_id, error=f"{process} answered what is no result of tests: {error}")
    except CommandError as error:
        return _Result(process.package_id, error=error.problem)


# -- nodes


class _Node:
    def __init__(
        self, node: FreshNode, home: Path, running: subprocess.Popen[bytes], log: Path, again: str
    ) -> None:
        self._node = node
        self._home = home
        self._running = running
        self._log = log
        self._again = again

    def wait_until_up(self) -> None:
        """Raises `CommandError`."""
        end = time.monotonic() + BOOT_SECONDS
        while b"ready: " not in self._log.read_bytes():
            if self._running.poll() is not None:
                raise self.failure(f"the node {self._node.name} did not start")
            if time.monotonic() > end:
                raise self.failure(f"the node {self._node.name} was not ready after {BOOT_SECONDS:g} s")
            time.sleep(_LOOK_AGAIN)

    def said(self) -> str:
        """The end of what it printed, in which a failed test says more than fits into its answer."""
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return "\n".join([f"{self._node.name} said:", *lines[-_LAST_LINES:]])

    def failure(self, problem: str) -> CommandError:
        return CommandError(f"{problem}; {self.said()}", self._again)

    def door(self) -> NodeDoor:
        if read_node_file(self._home) is None:
            raise self.failure(f"the node {self._node.name} is gone")
        return find_node(self._home, None, self._home)


@contextmanager
def _node(node: FreshNode, folder: Path, packages: Sequence[Path], again: str) -> Iterator[_Node]:
    """A process that is gone after the block."""
    home = node.home or folder / node.name
    log = folder / f"{node.name}.log"
    words = ["dev", *map(str, packages), "--name", node.name, "--port", str(node.port), "--home", str(home)]
    if node.password is not None:
        words += ["--password", node.password]
    if node.verbosity is not None:
        words += ["--set", f"log.verbosity={node.verbosity}"]
    with log.open("wb") as said:
        running = subprocess.Popen(  # noqa: S603 - ourselves, with the words of the user's own file
            [sys.executable, "-m", "runtime", *words],
            env=os.environ | {VARIABLE: str(folder / "local")},
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
        )
    try:
        yield _Node(node, home, running, log, again)
    finally:
        running.send_signal(signal.SIGTERM)
        try:
            running.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()


def _wait_until_acquainted(doors: Sequence[NodeDoor], names: Sequence[str], nodes: Sequence[_Node]) -> None:
    """Nodes of one machine find each other within seconds. Raises `CommandError`."""
    end = time.monotonic() + BOOT_SECONDS
    for door, node in zip(doors, nodes, strict=True):
        for name in names:
            while not _knows(door, name):
                if time.monotonic() > end:
                    raise node.failure(f"{door.url} has not found the node {name}")
                time.sleep(_LOOK_AGAIN)


def _knows(door: NodeDoor, name: str) -> bool:
    answer = call(door, NET, encode_action(GetPeer(name), json=True).decode())
    assert answer is not None
    found = decode_response(answer.ipc)
    return isinstance(found, PeerFound) and found.peer is not None
