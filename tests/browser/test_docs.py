"""The package of docs/browser-client.md, in two tabs."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Browser, expect
from playwright.sync_api import Page as BrowserPage

from tests.support.browser import open_page
from tests.support.docs import Page, blocks
from tests.support.live_process import ROOT


def test_what_one_page_of_the_wall_writes_all_pages_see(browser: Browser, tmp_path: Path):
    docs = Page(tmp_path)
    try:
        for block in blocks((ROOT / "docs" / "browser-client.md").read_text()):
            docs.run(block)
        with open_page(browser) as first:
            address = f"http://localhost:{docs.port}/wall:wall:me/"
            first.goto(address)
            first.get_by_label("Password").fill("secret")
            first.get_by_role("button", name="Log in").click()
            first.wait_for_url(address)
            second = first.context.new_page()
            second.goto(address)
            write(first, "hello")
            expect(second.get_by_role("listitem")).to_have_text(["hello"])
            write(second, "hello, first")
            expect(first.get_by_role("listitem")).to_have_text(["hello", "hello, first"])
    finally:
        docs.close()


def write(page: BrowserPage, note: str) -> None:
    expect(page.get_by_role("status")).to_have_text("connected")
    page.get_by_label("Note").fill(note)
    page.get_by_role("button", name="Write").click()
