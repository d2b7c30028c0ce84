"""The rows about links between nodes."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator

from scripts.benchmarks.node import CLIENT_CPU, SERVER_CPU, pin
from scripts.benchmarks.rounds import Measured, Row
from scripts.benchmarks.rows import in_python

ROUND_TRIPS = 5_000
ONE_WAY = 50_000
PAYLOADS = 10


@contextlib.contextmanager
def serving(module: str, *kind: str) -> Iterator[int]:
    """Its port."""
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
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.communicate()


def ours(work: str, count: int) -> Measured:
    with serving("link_node") as port:
        return in_python("link_node", work, count, port, cpu=CLIENT_CPU)


def bare(kind: str, work: str, count: int) -> Measured:
    with serving("bare_link", kind) as port:
        return in_python("bare_link", work, count, port, kind, cpu=CLIENT_CPU)


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
    ]  # fmt: skip
