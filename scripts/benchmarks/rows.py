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
from collections.abc import Iterator

from scripts.benchmarks.bare_servers import HELLO, HOST
from scripts.benchmarks.node import CLIENT_CPU, SERVER_CPU, pin, register, running
from scripts.benchmarks.rounds import Measured, Row

PAIR_MESSAGES = 40_000
PAIRS_MESSAGES = 64_000
FAN_IN_MESSAGES = 200_000
PROCESSES = 100_000
CLIENTS = 50
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


@contextlib.contextmanager
def bare_server(kind: str) -> Iterator[int]:
    """One of the reference servers; its port."""
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
        yield port
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
    with bare_server("websocket") as port:
        return echo(f"ws://{HOST}:{port}/", kind, size)


def wrk(url: str) -> Measured:
    """wrk checks statuses only; the body is checked once before."""
    with urllib.request.urlopen(url) as answer:
        if answer.read() != HELLO:
            raise SystemExit(f"{url} does not say {HELLO!r}")
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
    with bare_server("http") as port:
        return wrk(f"http://{HOST}:{port}/")


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
    ]  # fmt: skip
    if shutil.which("wrk"):
        rows.append(Row("small GET, 50 connections", "requests/s", 0.8, our_get, bare_get))
    else:
        print("no row for the small GET: apt-get install wrk", file=sys.stderr)
    return rows
