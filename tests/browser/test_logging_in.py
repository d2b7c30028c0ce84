"""The pages of a node itself, on a phone and on a desk, seen by role and name: how they look is theirs to choose."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.talking_app import COOKIE, PAGE
from tests.support.browser import DESKTOP, PHONE, Size, Tab, open_page
from tests.support.live_node import LiveNode

START = re.compile(r"/$")


@pytest.fixture(params=[PHONE, DESKTOP], ids=["phone", "desktop"])
def guest(browser: Browser, node: LiveNode, request: pytest.FixtureRequest) -> Iterator[Tab]:
    """Nobody's page, of that size."""
    size: Size = request.param
    with open_page(browser, size) as page:
        yield Tab(page, node)


def type_password(tab: Tab, password: str) -> None:
    tab.page.get_by_label("Password").fill(password)
    tab.page.get_by_role("button", name="Log in").click()


def fits(tab: Tab) -> bool:
    """Whether nothing sticks out at the side."""
    return bool(tab.run("() => document.documentElement.scrollWidth <= window.innerWidth"))


def test_who_logs_in_sees_the_start_page_with_the_apps(guest: Tab):
    """C-091, C-109."""
    guest.visit("/")
    assert "/login" in guest.page.url
    assert fits(guest)
    type_password(guest, "secret")
    guest.page.wait_for_url(START)
    expect(guest.page.get_by_role("heading", level=1)).to_be_visible()
    expect(guest.page.locator(f"a[href^='{PAGE.rstrip('/')}']").first).to_be_visible()
    assert fits(guest)
    assert [cookie["name"] for cookie in guest.page.context.cookies()] == [COOKIE]


def test_a_wrong_password_is_told_and_the_right_one_still_works(guest: Tab):
    """C-110."""
    guest.visit("/login")
    type_password(guest, "guess")
    expect(guest.page.get_by_role("alert")).to_contain_text("password")
    assert guest.page.context.cookies() == []
    type_password(guest, "secret")
    guest.page.wait_for_url(START)


def test_after_the_login_one_is_where_one_wanted_to_be(guest: Tab):
    guest.visit(f"/login?redirect={PAGE}")
    type_password(guest, "secret")
    guest.page.wait_for_url(guest.url(PAGE))
    expect(guest.page.get_by_role("heading", name="A page")).to_be_visible()


def test_who_sent_a_form_after_the_session_ended_is_led_back_to_it(guest: Tab):
    guest.visit("/login?redirect=/%3Farrange")
    type_password(guest, "secret")
    guest.page.wait_for_url("**/?arrange")
    guest.page.context.clear_cookies()
    # As a page without a script sends it.
    guest.run(
        "() => { document.body.insertAdjacentHTML('beforeend', '<form method=post action=/favorite>'); "
        "document.body.lastElementChild.submit() }"
    )
    guest.page.wait_for_url("**/favorite")
    type_password(guest, "secret")
    guest.page.wait_for_url("**/?arrange")


@pytest.mark.parametrize("wanted", ["//evil.test/", "/%5Cevil.test", "javascript:alert(1)", "//["])
def test_a_login_leads_nowhere_else(browser: Browser, node: LiveNode, wanted: str):
    with open_page(browser) as page:
        guest = Tab(page, node)
        guest.visit(f"/login?redirect={wanted}")
        type_password(guest, "secret")
        page.wait_for_url(guest.url("/"))


def test_who_logs_out_is_a_stranger_again(guest: Tab):
    guest.visit("/login")
    type_password(guest, "secret")
    guest.page.wait_for_url(START)
    guest.page.get_by_role("button", name="Log out").click()
    guest.page.wait_for_url("**/login")
    assert guest.page.context.cookies() == []
    guest.visit("/")
    assert "/login" in guest.page.url
