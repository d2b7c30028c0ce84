"""What every Console does, the one that logs and the one in memory."""

from __future__ import annotations

import threading

import pytest

from kernel.address import Address
from runtime.console import LogConsole
from runtime.sim.console import MemoryConsole

ALICE = Address.from_str("alice.dev@echo:echo:nectar")


@pytest.fixture(params=["log", "memory"])
def make(request: pytest.FixtureRequest):
    opened: list[LogConsole] = []

    def made(*, verbosity: int, recent: int = 100) -> LogConsole | MemoryConsole:
        if request.param == "memory":
            return MemoryConsole(verbosity=verbosity, recent=recent)
        opened.append(LogConsole(verbosity=verbosity, recent=recent, write=lambda _text: None))
        return opened[-1]

    yield made
    for console in opened:
        console.close()


@pytest.mark.parametrize(("verbosity", "shown"), [(0, "0"), (1, "01"), (3, "0123")])
def test_only_what_the_verbosity_allows_is_kept(make, verbosity: int, shown: str) -> None:
    console = make(verbosity=verbosity)
    for level in range(5):
        console.print(level, ALICE, str(level))
    assert "".join(line.text for line in console.recent()) == shown
    assert all(line.source == str(ALICE) for line in console.recent())


def test_the_ring_keeps_the_last_lines_in_order(make) -> None:
    console = make(verbosity=0, recent=3)
    for number in range(10):
        console.print(0, ALICE, str(number))
    assert [line.text for line in console.recent()] == ["7", "8", "9"]


@pytest.mark.parametrize("text", ["", "\udc80", "\0\x1b[2J", "a\nb\r\n", "x" * 1_000_000])
def test_any_text_can_be_printed(make, text: str) -> None:
    console = make(verbosity=0)
    console.print(0, ALICE, text)
    assert console.recent()[-1].text == text


def test_printing_from_another_thread_is_fine(make) -> None:
    console = make(verbosity=0)
    thread = threading.Thread(target=console.print, args=(0, ALICE, "hello"))
    thread.start()
    thread.join()
    assert console.recent()[-1].text == "hello"
