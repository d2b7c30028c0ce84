"""The page of file_transfer, as people use it: on two nodes, between which a file goes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from runtime.options import example_packages
from tests.support.browser import DESKTOP, PHONE, Size, Tab, open_page
from tests.support.live_node import LiveNode, Person

APP = next(folder for folder in example_packages() if folder.name == "file_transfer")
PAGE = "/file_transfer:file_transfer:nectar/"


@contextmanager
def opened(browser: Browser, node: LiveNode, size: Size | None = None) -> Iterator[Tab]:
    with open_page(browser, size) as page:
        tab = Tab(page, node)
        tab.visit("/login")
        tab.log_in()
        tab.visit(PAGE)
        expect(page.locator("#state[data-kind=open]")).to_be_visible()
        yield tab


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_a_file_goes_from_a_browser_over_two_nodes_to_another_browser(
    browser: Browser, tmp_path: Path, size: Size
):
    person = Person(tmp_path)
    with (
        person.dev(APP, "--name", "alice.nec", "--home", "a") as alice,
        person.dev(APP, "--name", "bob.nec", "--home", "b") as bob,
        opened(browser, bob, size) as there,
        opened(browser, alice, size) as here,
    ):
        expect(here.page.get_by_text("No files yet.")).to_be_visible()
        given = {"name": "<b>Überblick.txt", "mimeType": "text/plain", "buffer": b"x"}
        there.page.set_input_files("#upload", given)
        expect(there.page.get_by_role("alert")).to_contain_text("no name of a file")
        there.page.set_input_files("#upload", given | {"name": "Überblick.txt", "buffer": b"x" * 700_000})
        expect(there.page.get_by_role("link", name="Überblick.txt")).to_be_visible()
        here.page.get_by_label("Name of the node").fill("nobody.nec")
        here.page.get_by_role("button", name="Look").click()
        expect(here.page.get_by_role("alert")).to_contain_text("nobody.nec does not answer")
        here.page.get_by_label("Name of the node").fill("bob.nec")
        here.page.get_by_role("button", name="Look").click()
        here.page.get_by_role("button", name="Get Überblick.txt from bob.nec").click()
        expect(here.page.locator("#transfers")).to_contain_text("kept as Überblick.txt")
        with here.page.expect_download() as download:
            here.page.get_by_role("link", name="Überblick.txt").click()
        assert Path(download.value.path()).read_bytes() == b"x" * 700_000
        here.page.get_by_role("button", name="Remove Überblick.txt").click()
        expect(here.page.get_by_text("No files yet.")).to_be_visible()
        assert here.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
