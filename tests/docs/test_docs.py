"""Every code block of README.md and docs/ does what the page says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from runtime.sim.entropy import SOURCES
from tests.support.docs import PAGES, Block, Page, PageWrong, blocks, commands, holds, shows
from tests.support.live_process import ROOT


@pytest.mark.parametrize("page", PAGES)
def test_what_the_page_shows_happens(page: str, tmp_path: Path):
    running = Page(tmp_path)
    try:
        for block in blocks((ROOT / page).read_text()):
            try:
                running.run(block)
            except PageWrong as wrong:
                pytest.fail(f"{page}:{block.line}\n{wrong}", pytrace=False)
    finally:
        running.close()


@pytest.mark.parametrize("page", PAGES)
def test_its_links_lead_somewhere(page: str):
    links = [part.split(")")[0] for part in (ROOT / page).read_text().split("](")[1:]]
    assert [link for link in links if "://" not in link and not leads(ROOT / page, link)] == []


def leads(page: Path, link: str) -> bool:
    """To a file, and to a heading of it if one is named."""
    path, _, anchor = link.partition("#")
    there = page.parent / path if path else page
    return there.exists() and (not anchor or anchor in anchors(there.read_text()))


def anchors(text: str) -> set[str]:
    """Of its headings."""
    headings = [line.lstrip("#").strip() for line in text.splitlines() if line.startswith("#")]
    return {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_readme_lists_every_page():
    readme = (ROOT / "README.md").read_text()
    pages = [page.relative_to(ROOT).as_posix() for page in (ROOT / "docs").glob("*.md")]
    assert [page for page in pages if f"[{page}]({page})" not in readme] == []


def test_the_page_of_simulated_time_knows_all_that_libraries_draw_by_themselves():
    page = (ROOT / "docs" / "simulated-time.md").read_text()
    assert [source.where for source in SOURCES if f"| `{source.where}` |" not in page] == []


# -- the runner itself


def test_blocks_are_found_with_their_info():
    page = "words\n\n```python a/b.py\nx = 1\n```\nmore\n```console\n$ ls\na\n```\n"
    assert list(blocks(page)) == [
        Block(3, "python", "a/b.py", "x = 1\n"),
        Block(7, "console", "", "$ ls\na\n"),
    ]


def test_commands_are_followed_by_what_they_print():
    assert [(c.line, c.prints) for c in commands("$ one\n$ two\n2\n3\n")] == [("one", ""), ("two", "2\n3\n")]


@pytest.mark.parametrize(
    ("expected", "printed", "is_shown"),
    [
        ("a\n", "a\n", True),
        ("a\n", "b\n", False),
        ("a\n", "a\nb\n", False),
        ("...\nb\n", "b\n", True),
        ("...\nb\n", "x\ny\nb\n", True),
        ("a ... c\n", "a b c\n", True),
        ("a.c\n", "abc\n", False),
        ("...\n", "", True),
        ("", "something\n", False),
    ],
)
def test_an_output_is_compared_with_what_is_shown(expected: str, printed: str, is_shown: bool):
    assert shows(expected, printed) is is_shown


def test_a_shown_value_may_leave_out_defaults_only():
    assert holds({"A": {"x": 1}}, {"A": {"x": 1, "y": None}})
    assert not holds({"A": {"x": 1, "y": 2}}, {"A": {"x": 1}})
    assert not holds([1], [1, 2])


@pytest.mark.parametrize(
    "block",
    [
        Block(1, "python", "", "x = 1\n"),
        Block(1, "console", "", "no command\n"),
        Block(1, "console", "", "$ echo 1\n2\n"),
        Block(1, "console", "", "$ exit 3\n"),
    ],
)
def test_a_page_that_shows_something_else_is_wrong(block: Block, tmp_path: Path):
    with pytest.raises(PageWrong):
        Page(tmp_path).run(block)
