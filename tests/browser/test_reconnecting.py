"""An open page over a node that goes and comes back."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Browser

from tests.browser.talking_app import PAGE, heard, package
from tests.support.browser import Tab, open_page
from tests.support.live_node import Person

# The client's longest wait, and what a busy machine adds.
BOOTING = 30


def test_clients_survive_that_their_node_is_stopped_and_that_it_is_killed(browser: Browser, tmp_path: Path):
    """A plain one and an encrypted one; what their pages send meanwhile waits."""
    person = Person(tmp_path)
    parts = (package(tmp_path / "app"), "--home", tmp_path / "home")
    with open_page(browser) as page:
        with person.dev(*parts) as node:
            tab = Tab(page, node)
            tab.visit(PAGE)
            tab.log_in()
            tab.connect()
            tab.wait_told("open")
            sealed = Tab(page.context.new_page(), node)
            sealed.visit(PAGE)
            sealed.connect(encrypted=True)
            sealed.wait_told("ready")
            assert node.stop() == 0
            assert tab.wait_told("close")[0] == 1001
            tab.send("while it is stopped")
            sealed.send("a secret")
        with person.dev(*parts, port=node.port) as again:
            assert tab.wait_told("message", seconds=BOOTING) == [heard('"while it is stopped"')]
            assert sealed.wait_told("message", seconds=BOOTING) == [heard('"a secret"')]
            failed = len(tab.told("close"))
            again.process.close()
            assert tab.wait_told("close", failed + 1)[failed] == 1006
            tab.send("while it is dead")
        with person.dev(*parts, port=node.port):
            assert tab.wait_told("message", 2, seconds=BOOTING)[-1] == heard('"while it is dead"')
            assert len(tab.told("open")) == 3
            assert len(sealed.wait_told("ready", 3, seconds=BOOTING)) == 3
