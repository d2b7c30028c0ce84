"""Every code block of README.md and docs/ does what the page says."""

from __future__ import annotations

from pathlib import Path

import pytest

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
    text = (ROOT / page).read_text()
    links = [part.split(")")[0].split("#")[0] for part in text.split("](")[1:]]
    here = (ROOT / page).parent
    assert [link for link in links if link and "://" not in link and not (here / link).exists()] == []


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
