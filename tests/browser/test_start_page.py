"""The start page under a person's hands: the keyboard, and a node that changes or goes while the page is open."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from runtime.options import example_packages
from tests.support.browser import PHONE, Tab, open_page
from tests.support.live_node import LiveNode, Person

FIBONACCI = next(folder for folder in example_packages() if folder.name == "fibonacci")

BACKGROUND = "() => getComputedStyle(document.body).backgroundColor"


@pytest.fixture(scope="module")
def person(tmp_path_factory: pytest.TempPathFactory) -> Person:
    return Person(tmp_path_factory.mktemp("start"))


@pytest.fixture(scope="module")
def apps(person: Person) -> Iterator[LiveNode]:
    with person.dev() as node:
        yield node


@pytest.fixture
def start(browser: Browser, apps: LiveNode) -> Iterator[Tab]:
    """Logged in, with the example apps."""
    with open_page(browser, PHONE) as page:
        yield started(Tab(page, apps))


def started(tab: Tab) -> Tab:
    tab.visit("/login")
    tab.log_in()
    tab.visit("/")
    return tab


def shown(tab: Tab) -> list[str]:
    return tab.page.get_by_role("listitem").get_by_role("link").all_inner_texts()


def press(tab: Tab, button: str) -> None:
    tab.page.get_by_role("button", name=button).press("Enter")


def return_to(tab: Tab) -> None:
    """As when its window comes to the front again."""
    tab.run("() => window.dispatchEvent(new Event('focus'))")


def test_the_keyboard_stays_on_the_app_that_it_moves(start: Tab):
    star = start.page.get_by_role("button", name="Fibonacci: favorite")
    press(start, "Fibonacci: favorite")
    expect(star).to_have_attribute("aria-pressed", "true")
    expect(star).to_be_focused()
    assert shown(start) == ["Fibonacci", "Chat", "Counter", "Echo", "Files", "Keys"]
    press(start, "Fibonacci: favorite")
    expect(star).to_have_attribute("aria-pressed", "false")
    start.page.get_by_role("link", name="Arrange").press("Enter")
    start.page.wait_for_url("**/?arrange")
    for _ in range(2):
        press(start, "Move Fibonacci up")
        expect(start.page.get_by_role("button", name="Move Fibonacci up")).to_be_focused()
    press(start, "Move Fibonacci up")
    expect(start.page.get_by_role("button", name="Move Fibonacci down")).to_be_focused()
    assert shown(start) == ["Fibonacci", "Chat", "Counter", "Echo", "Files", "Keys"]
    start.page.go_back()
    start.page.wait_for_url(start.url("/"))
    assert shown(start) == ["Fibonacci", "Chat", "Counter", "Echo", "Files", "Keys"]


def test_each_example_opens_in_the_look_of_its_node_and_leads_home(start: Tab):
    paper = start.run(BACKGROUND)
    for label in shown(start):
        start.page.get_by_role("link", name=label).click()
        expect(start.page.get_by_role("heading", level=1)).to_have_text(label)
        expect(start.page.get_by_role("main")).to_have_count(1)
        start.page.wait_for_load_state("load")  # the stylesheet may come after the words
        assert start.run(BACKGROUND) == paper
        assert start.run("() => document.documentElement.scrollWidth <= window.innerWidth")
        start.page.get_by_role("link", name="Home").click()
        start.page.wait_for_url(start.url("/"))


def test_without_javascript_all_of_it_works(browser: Browser, apps: LiveNode, start: Tab):
    cookies = start.page.context.storage_state()
    with browser.new_context(java_script_enabled=False, storage_state=cookies) as context:
        tab = Tab(context.new_page(), apps)
        tab.visit("/")
        press(tab, "Echo: favorite")
        assert shown(tab)[0] == "Echo"
        press(tab, "Echo: favorite")
        press(tab, "Log out")
        tab.page.wait_for_url("**/login")


def test_what_is_installed_and_removed_comes_and_goes_on_an_open_page(
    person: Person, apps: LiveNode, start: Tab
):
    assert person.nectar("remove-package", "fibonacci:nectar", "--url", apps.url).code == 0
    return_to(start)
    link = start.page.get_by_role("link", name="Fibonacci")
    expect(link).to_have_count(0)
    assert person.nectar("start-package", FIBONACCI, "--url", apps.url).code == 0
    return_to(start)
    expect(link).to_have_count(1)


def test_a_session_that_ended_leads_to_the_login(start: Tab):
    start.page.context.clear_cookies()
    press(start, "Chat: favorite")
    start.page.wait_for_url("**/login?redirect=/")


def test_an_open_page_tells_that_its_node_is_away_and_that_it_is_back(browser: Browser, tmp_path: Path):
    person = Person(tmp_path)
    parts = (FIBONACCI, "--home", tmp_path / "home")
    with open_page(browser) as page:
        with person.dev(*parts) as node:
            tab = started(Tab(page, node))
        press(tab, "Fibonacci: favorite")
        expect(page.get_by_role("alert")).to_have_text("The node did not answer. Is it running?")
        assert shown(tab) == ["Fibonacci"]
        with person.dev(*parts, port=node.port):
            return_to(tab)
            expect(page.get_by_role("alert")).to_have_text("")
            press(tab, "Fibonacci: favorite")
            expect(page.get_by_role("heading", name="Favorites")).to_be_visible()
