"""The rows about links between nodes."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator

from scripts.benchmarks.node import CLIENT_CPU, SERVER_CPU, pin, resident
from scripts.benchmarks.rounds import Measured, Row
from scripts.benchmarks.rows import in_python

ROUND_TRIPS = 5_000
ONE_WAY = 50_000
PAYLOADS = 20
PEERS = 1_000
KIB = 1024


@contextlib.contextmanager
def serving(module: str, *kind: str) -> Iterator[tuple[int, int]]:
    """Its port and its process."""
    command = [sys.executable, "-m", f"scripts.benchmarks.{module}", "serve", *kind]
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: pin(SERVER_CPU),
    )
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline()), process.pid
    finally:
        process.kill()
        process.communicate()


def ours(work: str, count: int) -> Measured:
    with serving("link_node") as (port, _):
        return in_python("link_node", work, count, port, cpu=CLIENT_CPU)


def bare(kind: str, work: str, count: int) -> Measured:
    with serving("bare_link", kind) as (port, _):
        return in_python("bare_link", work, count, port, kind, cpu=CLIENT_CPU)


def idle(module: str, kind: str) -> Measured:
    """Noted is how much memory the side that was dialled occupies for each peer."""
    with serving(module, *(["tls"] if kind == "tls" else [])) as (port, pid):
        # The first few make what all share.
        peers(1, port, kind, lambda: 0)
        before = resident(pid)
        done, after = peers(PEERS, port, kind, lambda: resident(pid))
        return Measured(done.count, done.seconds, {"KiB": (after - before) / PEERS / KIB})


def peers(count: int, port: int, kind: str, memory: Callable[[], int]) -> tuple[Measured, int]:
    """They connect, memory is looked at, and each asks once more."""
    command = [sys.executable, "-m", "scripts.benchmarks.idle_peers", str(count), str(port), kind]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=lambda: pin(CLIENT_CPU)
    ) as load:
        assert load.stdout is not None
        if load.stdout.readline() != "open\n":
            raise SystemExit(f"not all of {count} peers could be linked")
        occupied = memory()
        said, _ = load.communicate("ask\n")
    if load.returncode:
        raise SystemExit("not all peers were answered")
    return Measured(**json.loads(said)), occupied


def noted(measured: Measured) -> Measured:
    return Measured(measured.count, measured.seconds, {"rate": measured.rate})


def link_rows() -> list[Row]:
    return [
        Row(
            "link: request/response, 64 B", "round trips/s", 0.5,
            lambda: ours("ask", ROUND_TRIPS), lambda: bare("tls", "ask", ROUND_TRIPS),
        ),
        Row(
            "link: one way, 64 B in batches", "messages/s", 0.0,
            lambda: noted(ours("tell", ONE_WAY)), lambda: bare("tls", "tell", ONE_WAY),
            {"ours.rate": 10_000},
        ),
        Row(
            "link: 10 MiB, beside TLS WebSocket", "payloads/s", 0.5,
            lambda: ours("bulk", PAYLOADS), lambda: bare("tls", "bulk", PAYLOADS),
        ),
        Row(
            "link: 10 MiB, beside TCP alone", "payloads/s", 0.5,
            lambda: ours("bulk", PAYLOADS), lambda: bare("tcp", "bulk", PAYLOADS),
        ),
        Row(
            "link: 1,000 idle peers, then all ask", "answers/s", 0.0,
            lambda: idle("idle_peers", "link"), lambda: idle("bare_link", "tls"),
            {"ours.KiB": 64},
        ),
    ]  # fmt: skip
