"""One Chromium, and one node with the app that these pages talk to. Each test has a page without cookies."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser.talking_app import COOKIE, PAGE, package
from tests.support.browser import Tab, open_browser, open_page
from tests.support.live_node import LiveNode, Person


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with open_browser() as browser:
        yield browser


@pytest.fixture(scope="package")
def node(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    person = Person(tmp_path_factory.mktemp("browser"))
    with person.dev(package(person.home / "app")) as node:
        yield node


@pytest.fixture(scope="package")
def token(node: LiveNode) -> str:
    """Of a login: each takes its time."""
    return node.login()


@pytest.fixture
def tab(browser: Browser, node: LiveNode) -> Iterator[Tab]:
    with open_page(browser) as page:
        yield Tab(page, node)


@pytest.fixture
def page(tab: Tab, token: str) -> Tab:
    """Of the app, with the cookie of a login."""
    tab.page.context.add_cookies([{"name": COOKIE, "value": token, "url": tab.url("/")}])
    tab.visit(PAGE)
    return tab
