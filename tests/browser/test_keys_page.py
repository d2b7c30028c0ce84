"""The page of kv_browser, as people use it."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from runtime.options import example_packages
from tests.support.browser import DESKTOP, PHONE, Size, Tab, open_page
from tests.support.live_node import Person

APP = next(folder for folder in example_packages() if folder.name == "kv_browser")
PAGE = "/kv_browser:kv_browser:nectar/"


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_keys_are_made_found_changed_and_deleted(browser: Browser, tmp_path: Path, size: Size):
    person = Person(tmp_path)
    with person.dev(APP) as node, open_page(browser, size) as page:
        tab = Tab(page, node)
        tab.visit("/login")
        tab.log_in()
        tab.visit(PAGE)
        expect(page.get_by_text("No keys yet: make a new one.")).to_be_visible()
        page.get_by_role("button", name="New").click()
        page.get_by_label("Key", exact=True).fill("<b>bold</b>/ü")
        page.get_by_label("Value").fill('{"a": [1, 2]}')
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_text("Saved, 13 B")).to_be_visible()
        node.send("kv_browser:kv_browser:nectar", '{"Set":{"key":"other","value":"text"}}')
        expect(page.locator("#keys b")).to_have_text(["<b>bold</b>/ü", "other"])
        page.get_by_label("Keys that begin with").fill("o")
        expect(page.locator("#keys b")).to_have_text(["other"])
        page.get_by_label("Keys that begin with").fill("")
        page.locator("#keys button", has_text="bold").click()
        expect(page.get_by_label("Shown as")).to_have_value("JSON")
        page.get_by_label("Value").fill("{")
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_role("alert")).to_contain_text("That is no JSON")
        page.get_by_label("Value").fill("7")
        page.get_by_label("Shown as").select_option("Hex")
        expect(page.get_by_label("Value")).to_have_value("37")
        page.get_by_role("button", name="Delete").click()
        expect(page.locator("#keys b")).to_have_text(["other"])
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
