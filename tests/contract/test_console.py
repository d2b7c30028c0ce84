"""What every Console does: the one that logs, that of a world, and that of a tested actor."""

from __future__ import annotations

import threading

import pytest

from kernel.address import Address
from kernel.last_lines import KEPT_CHARACTERS
from kernel.ports import Console
from runtime.console import LogConsole
from runtime.sim.console import MemoryConsole
from userland.process_lib.testing._ports import Screen

ALICE = Address.from_str("alice.dev@echo:echo:nectar")


@pytest.fixture(params=["log", "memory", "screen"])
def make(request: pytest.FixtureRequest):
    opened: list[LogConsole] = []

    def made(*, verbosity: int, recent: int = 100) -> Console:
        if request.param == "memory":
            return MemoryConsole(verbosity=verbosity, recent=recent)
        if request.param == "screen":
            return Screen(lambda: 0.0, verbosity=verbosity, recent=recent)
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
    assert [(line.text, line.number) for line in console.recent()] == [("7", 8), ("8", 9), ("9", 10)]


def test_what_somebody_asked_to_see_is_shown_with_its_own_verbosity(make) -> None:
    console = make(verbosity=0)
    console.print(3, ALICE, "asked for", always=True)
    console.print(3, ALICE, "not asked for")
    assert [(line.text, line.verbosity) for line in console.recent()] == [("asked for", 3)]


def test_long_lines_do_not_fill_the_memory(make) -> None:
    console = make(verbosity=0)
    for number in range(6):
        console.print(0, ALICE, str(number) * (KEPT_CHARACTERS // 3))
    assert [line.text[0] for line in console.recent()] == ["3", "4", "5"]
    console.print(0, ALICE, "x" * (2 * KEPT_CHARACTERS))
    assert [line.number for line in console.recent()] == [7]


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
