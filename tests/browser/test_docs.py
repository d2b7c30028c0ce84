"""The package of docs/browser-client.md, in two tabs; that of docs/nodes.md, in a tab and on two nodes."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Browser, expect
from playwright.sync_api import Page as BrowserPage

from tests.support.browser import Tab, open_page
from tests.support.docs import Page, blocks
from tests.support.live_node import Person
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


def test_a_worker_node_pushes_to_a_browser_that_the_gateway_node_serves(browser: Browser, tmp_path: Path):
    """C-136."""
    docs = Page(tmp_path)
    for block in blocks((ROOT / "docs" / "nodes.md").read_text()):
        if block.info.startswith("work/"):
            docs.run(block)
    person, work = Person(tmp_path), tmp_path / "work"
    with (
        person.dev(work, "--name", "gateway.dev") as gateway,
        person.dev(work, "--name", "worker.dev") as worker,
        open_page(browser) as page,
    ):
        tab = Tab(page, gateway)
        tab.visit("/login")
        tab.log_in()
        tab.visit("/our")  # a page of this origin that forbids no script
        tab.run("() => import('/client.js').then(() => null)")
        tab.connect(nodeId="gateway.dev", processId="work:work:me")
        tab.wait_told("open")
        for words in ("hello", "good", "morning"):
            tab.send(words)
        assert tab.wait_told("message", 3) == ["HELLO", "GOOD", "MORNING"]
        assert "not done" not in f"{gateway.process.err}{worker.process.err}"
