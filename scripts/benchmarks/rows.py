"""What is measured: the rows of the bars, each with the two sides that run it."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from scripts.benchmarks.bare_servers import HELLO, HOST, STATIC
from scripts.benchmarks.node import CLIENT_CPU, SERVER_CPU, pin, register, resident, running
from scripts.benchmarks.rounds import Measured, Row

PAIR_MESSAGES = 40_000
PAIRS_MESSAGES = 64_000
FAN_IN_MESSAGES = 200_000
PROCESSES = 100_000
CLIENTS = 50
CHANNELS = 10_000
SECONDS = 2


def in_python(module: str, *arguments: object, cpu: int = SERVER_CPU) -> Measured:
    """Run a module of ours in an interpreter of its own and read the JSON line it prints."""
    done = subprocess.run(
        [sys.executable, "-m", f"scripts.benchmarks.{module}", *map(str, arguments)],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True, preexec_fn=lambda: pin(cpu),
    )  # fmt: skip
    return Measured(**json.loads(done.stdout))


def work(name: str, count: int) -> Measured:
    with running(patient=True) as node:
        return node.work(name, count)


def bare(name: str, count: int) -> Measured:
    return in_python("bare_trio", name, count)


def hops_among_few() -> Measured:
    with running(patient=True) as node:
        return node.work("pair", PAIR_MESSAGES)


def hops_among_many() -> Measured:
    with running(patient=True) as node:
        node.work("idle", PROCESSES)
        return node.work("pair", PAIR_MESSAGES)


def idle_processes() -> Measured:
    with running(patient=True) as node:
        node.work("idle", 1000)
        node.work("wake", 1000)
        before = node.resident()
        started = node.work("idle", PROCESSES)
        each = (node.resident() - before) / PROCESSES
        node.work("wake", PROCESSES)
        return Measured(started.count, started.seconds, {"bytes": each, "rate": started.rate})


@dataclass(frozen=True)
class Reference:
    """A running server of `bare_servers`."""

    port: int
    pid: int

    def resident(self) -> int:
        return resident(self.pid)


@contextlib.contextmanager
def bare_server(kind: str) -> Iterator[Reference]:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "scripts.benchmarks.bare_servers", kind, str(port)],
        stdin=subprocess.DEVNULL, preexec_fn=lambda: pin(SERVER_CPU),
    )  # fmt: skip
    try:
        give_up = time.monotonic() + 15
        while True:
            try:
                socket.create_connection((HOST, port), 1).close()
                break
            except OSError:
                if time.monotonic() > give_up or process.poll() is not None:
                    raise SystemExit(f"the {kind} reference did not start") from None
                time.sleep(0.05)
        yield Reference(port, process.pid)
    finally:
        process.kill()
        process.wait()


def echo(url: str, kind: str, size: int, *first: str) -> Measured:
    return in_python("echo_load", url, CLIENTS, kind, size, SECONDS, *first, cpu=CLIENT_CPU)


def our_echo(kind: str, size: int) -> Measured:
    with running() as node:
        return echo(node.url.replace("http", "ws", 1) + "/", kind, size, register(node))


def our_sealed_echo(size: int) -> Measured:
    with running() as node:
        url = node.url.replace("http", "ws", 1) + "/"
        return in_python("sealed_load", url, CLIENTS, size, SECONDS, register(node), cpu=CLIENT_CPU)


def bare_echo(kind: str, size: int) -> Measured:
    with bare_server("websocket") as server:
        return echo(f"ws://{HOST}:{server.port}/", kind, size)


def idle(url: str, memory: Callable[[], int]) -> Measured:
    """`memory` is what the server occupies; noted is how much more for each channel."""
    before = memory()
    with subprocess.Popen(
        [sys.executable, "-m", "scripts.benchmarks.idle_load", url, str(CHANNELS)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=lambda: pin(CLIENT_CPU),
    ) as load:  # fmt: skip
        assert load.stdout is not None
        if load.stdout.readline() != "open\n":
            raise SystemExit(f"not all of {CHANNELS} sockets could be opened")
        each = (memory() - before) / CHANNELS
        said, _ = load.communicate("push\n")
    if load.returncode:
        raise SystemExit("the pushes did not arrive as sent")
    done = Measured(**json.loads(said))
    return Measured(done.count, done.seconds, {"bytes": each})


def our_idle() -> Measured:
    with running() as node:
        url = node.url.replace("http", "ws", 1)
        return idle(f"{url}/bench:bench:nectar/idle", node.resident)


def bare_idle() -> Measured:
    with bare_server("idle") as server:
        return idle(f"ws://{HOST}:{server.port}/", server.resident)


def wrk(url: str, content: bytes = HELLO) -> Measured:
    """wrk checks statuses only; the body is checked once before."""
    with urllib.request.urlopen(url) as answer:
        if answer.read() != content:
            raise SystemExit(f"{url} does not say {content[:20]!r}")
    command = ["wrk", "-t2", f"-c{CLIENTS}"]
    subprocess.run([*command, "-d1s", url], capture_output=True, check=True)
    said = subprocess.run([*command, f"-d{SECONDS}s", url], capture_output=True, check=True, text=True).stdout
    if "Non-2xx" in said or "Socket errors" in said:
        raise SystemExit(said)
    found = re.search(r"(\d+) requests in ([\d.]+)s", said)
    if found is None:
        raise SystemExit(said)
    return Measured(int(found[1]), float(found[2]))


def our_get() -> Measured:
    with running() as node:
        return wrk(f"{node.url}/bench:bench:nectar/hello")


def bare_get() -> Measured:
    with bare_server("http") as server:
        return wrk(f"http://{HOST}:{server.port}/")


def our_static() -> Measured:
    with running() as node:
        return wrk(f"{node.url}/bench:bench:nectar/static", STATIC)


def bare_static() -> Measured:
    with bare_server("static") as server:
        return wrk(f"http://{HOST}:{server.port}/static", STATIC)


def message_rows() -> list[Row]:
    return [
        Row(
            "request/response, one pair", "round trips/s", 1.2,
            lambda: work("pair", PAIR_MESSAGES), lambda: bare("pair", PAIR_MESSAGES),
        ),
        Row(
            "request/response, 64 pairs", "round trips/s", 2.5,
            lambda: work("pairs", PAIRS_MESSAGES), lambda: bare("pairs", PAIRS_MESSAGES),
        ),
        Row(
            "one way, 100 senders", "messages/s", 5.0,
            lambda: work("fan_in", FAN_IN_MESSAGES), lambda: bare("fan_in", FAN_IN_MESSAGES),
        ),
        Row(
            "a hop among 100,000 processes and 10", "round trips/s", 0.9,
            hops_among_many, hops_among_few,
        ),
        Row(
            "100,000 idle processes", "started/s", 0.0,
            idle_processes, lambda: bare("idle", PROCESSES),
            {"ours.rate": 10_000, "beyond.bytes": 4096},
        ),
    ]  # fmt: skip


def network_rows() -> list[Row]:
    rows = [
        Row(
            "WebSocket echo, 50 x 64 B", "echoes/s", 1.0,
            lambda: our_echo("text", 64), lambda: bare_echo("text", 64),
        ),
        Row(
            "WebSocket echo, 50 x 64 KiB", "echoes/s", 3.0,
            lambda: our_echo("binary", 65536), lambda: bare_echo("binary", 65536),
        ),
        Row(
            "encrypted echo, 50 x 64 B, beside plain", "echoes/s", 0.7,
            lambda: our_sealed_echo(64), lambda: our_echo("binary", 64),
        ),
        Row(
            "10,000 idle WebSocket channels, a push each", "pushes/s", 0.0,
            our_idle, bare_idle, {"times.bytes": 1.25},
        ),
    ]  # fmt: skip
    if shutil.which("wrk"):
        rows.append(Row("small GET, 50 connections", "requests/s", 0.8, our_get, bare_get))
        rows.append(Row("static path, 4 KiB", "requests/s", 0.8, our_static, bare_static))
    else:
        print("no rows for the small GET and the static path: apt-get install wrk", file=sys.stderr)
    return rows
