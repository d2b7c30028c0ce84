"""The page of the chat, as people use it."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Route, expect

from runtime.options import example_packages
from tests.support.browser import DESKTOP, PHONE, Size, Tab, open_page
from tests.support.live_node import LiveNode, Person

CHAT = next(folder for folder in example_packages() if folder.name == "chat")
PAGE = "/chat:chat:nectar/"
# In milliseconds: the client's longest wait, and what a busy machine adds.
BOOTING = 30_000


@contextmanager
def chatting(browser: Browser, node: LiveNode, path: str = PAGE, size: Size | None = None) -> Iterator[Tab]:
    """Logged in, and connected."""
    with open_page(browser, size) as page:
        tab = Tab(page, node)
        tab.visit("/login")
        tab.log_in()
        tab.visit(path)
        expect(page.get_by_role("status")).to_contain_text("Connected")
        yield tab


def say(tab: Tab, text: str) -> None:
    tab.page.get_by_label("Message", exact=True).fill(text)
    tab.page.get_by_role("button", name="Send").click()


def typed(tab: Tab) -> str:
    return tab.page.get_by_label("Message", exact=True).input_value()


def wait_said(tab: Tab, *texts: str) -> None:
    expect(tab.page.get_by_role("log").locator(".text")).to_have_text(texts)


@pytest.fixture(scope="module")
def chat(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    with Person(tmp_path_factory.mktemp("chat")).dev(CHAT) as node:
        yield node


def test_a_plain_and_an_encrypted_tab_chat_over_a_node_that_is_restarted(browser: Browser, tmp_path: Path):
    """C-143."""
    person = Person(tmp_path)
    with (
        person.dev(CHAT, "--home", tmp_path / "home") as node,
        chatting(browser, node) as plain,
        chatting(browser, node, f"{PAGE}?encrypted=1") as sealed,
    ):
        expect(sealed.page.get_by_role("status")).to_have_text("Connected, encrypted")
        say(plain, "from the plain one")
        wait_said(sealed, "from the plain one")
        say(sealed, "from the sealed one")
        wait_said(plain, "from the plain one", "from the sealed one")
        assert node.stop() == 0
        expect(plain.page.get_by_role("status")).to_contain_text("lost")
        say(plain, "typed meanwhile")
        expect(plain.page.get_by_role("alert")).to_contain_text("nothing was sent")
        assert typed(plain) == "typed meanwhile"
        with person.dev(CHAT, "--home", tmp_path / "home", port=node.port):
            expect(plain.page.get_by_role("status")).to_have_text("Connected", timeout=BOOTING)
            expect(sealed.page.get_by_role("status")).to_have_text("Connected, encrypted", timeout=BOOTING)
            plain.page.get_by_role("button", name="Send").click()
            for tab in (plain, sealed):
                wait_said(tab, "from the plain one", "from the sealed one", "typed meanwhile")
            assert typed(plain) == ""


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_what_people_write_is_text_and_fits(browser: Browser, tmp_path: Path, size: Size):
    hostile = "<img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>"
    long = "a" * 500
    with Person(tmp_path).dev(CHAT) as node, chatting(browser, node, size=size) as tab:
        tab.page.get_by_label("Name").fill("<b>mallory</b>")
        say(tab, hostile)
        wait_said(tab, hostile)
        say(tab, long)
        wait_said(tab, hostile, long)
        assert tab.page.title() == "Chat"
        assert tab.page.get_by_role("log").locator("img, script").count() == 0
        expect(tab.page.get_by_role("log").locator(".by").first).to_contain_text("<b>mallory</b>")
        assert tab.run("() => document.documentElement.scrollWidth <= window.innerWidth")


def test_a_message_that_the_node_refuses_stays_in_its_field(browser: Browser, chat: LiveNode):
    with chatting(browser, chat) as tab:
        tab.run("() => document.getElementById('text').removeAttribute('maxlength')")
        say(tab, "x" * 4001)
        expect(tab.page.get_by_role("alert")).to_contain_text("4000 at most")
        assert typed(tab) == "x" * 4001


COUNTING = """
window.refused = 0;
window.WebSocket = class extends WebSocket {
  constructor(address) {
    super(address);
    this.addEventListener("close", (event) => { refused += event.code === 1008; });
  }
};
"""


@contextmanager
def refused(browser: Browser, node: LiveNode, query: str = "") -> Iterator[Tab]:
    """A page whose session ended while it was loaded. Its clock is ours."""
    with open_page(browser) as page:
        tab = Tab(page, node)
        tab.visit("/login")
        tab.log_in()

        def end_session(route: Route) -> None:
            page.context.clear_cookies()
            route.continue_()

        page.route("**/client.js", end_session, times=1)
        page.add_init_script(COUNTING)
        page.clock.install()
        tab.visit(PAGE + query)
        expect(page.get_by_role("alert")).to_contain_text("your login has ended")
        yield tab


@pytest.mark.parametrize(
    ("query", "links"), [("", ["Log in"]), ("?encrypted=1", ["Log in", "Chat unencrypted"])]
)
def test_who_is_refused_reads_what_helps(browser: Browser, chat: LiveNode, query: str, links: list[str]):
    with refused(browser, chat, query) as tab:
        problem = tab.page.get_by_role("alert")
        assert problem.get_by_role("link").all_inner_texts() == links
        tab.page.get_by_label("Message", exact=True).fill("not said yet")
        problem.get_by_role("link", name="Log in").click()
        tab.page.get_by_label("Password").fill("secret")
        tab.page.get_by_role("button", name="Log in").click()
        tab.page.wait_for_url(tab.url(PAGE + query))
        expect(tab.page.get_by_role("status")).to_contain_text("Connected")
        assert typed(tab) == "not said yet"


def test_who_is_refused_is_connected_soon_after_a_login_in_another_tab(browser: Browser, chat: LiveNode):
    with refused(browser, chat) as tab:
        for refusals in range(2, 8):
            tab.page.clock.run_for(60_000)
            tab.page.wait_for_function("least => refused >= least", arg=refusals)
        other = Tab(tab.page.context.new_page(), chat)
        other.visit("/login")
        other.log_in()
        tab.page.clock.run_for(60_000)
        expect(tab.page.get_by_role("status")).to_have_text("Connected")


def test_a_name_is_remembered_and_tells_whose_messages_are_ones_own(browser: Browser, chat: LiveNode):
    with chatting(browser, chat) as tab:
        tab.page.get_by_label("Name").fill("alice")
        say(tab, "mine")
        own = tab.page.get_by_role("log").locator("li.own .text")
        expect(own).to_have_text(["mine"])
        tab.page.reload()
        expect(tab.page.get_by_label("Name")).to_have_value("alice")
        expect(own).to_have_text(["mine"])
        tab.page.get_by_label("Name").fill("bob")
        tab.page.get_by_label("Name").blur()
        expect(own).to_have_count(0)


def test_what_comes_from_another_node_is_shown_with_that_node_and_is_not_ones_own(
    browser: Browser, tmp_path: Path
):
    person = Person(tmp_path)
    with (
        person.dev(CHAT, "--name", "bob.dev") as bob,
        person.dev(CHAT, "--name", "alice.dev") as alice,
        chatting(browser, bob) as tab,
    ):
        say(tab, "who is there?")
        wait_said(tab, "who is there?")
        for author in ("Alice", "bob.dev"):
            send = {"Send": {"text": f"I am {author}", "author": author, "to": "bob.dev"}}
            assert b"delivered" in alice.send("chat:chat:nectar", json.dumps(send)).ipc
        wait_said(tab, "who is there?", "I am Alice", "I am bob.dev")
        log = tab.page.get_by_role("log")
        expect(log.locator(".by .node")).to_have_text(["on alice.dev", "on alice.dev"])
        expect(log.locator("li.own .text")).to_have_text(["who is there?"])


def write_to(tab: Tab, node: str, text: str) -> None:
    tab.page.get_by_label("To ").fill(node)
    say(tab, text)


def test_somebody_writes_to_another_node_also_when_it_was_away(browser: Browser, tmp_path: Path):
    person = Person(tmp_path)
    home = tmp_path / "bob"
    with person.dev(CHAT, "--name", "alice.dev") as alice, chatting(browser, alice) as tab:
        alert, done = tab.page.get_by_role("alert"), tab.page.locator("#done")
        with person.dev(CHAT, "--name", "bob.dev", "--home", home) as bob, chatting(browser, bob) as there:
            write_to(there, "alice.dev", "good morning")
            wait_said(tab, "good morning")
            offered = "() => [...document.getElementById('to').list.options].map((option) => option.value)"
            assert tab.run(offered) == ["bob.dev"]
            write_to(tab, "bob.dev", "hello bob")
            expect(done).to_have_text("bob.dev has it: hello bob")
            assert typed(tab) == ""
            wait_said(there, "hello bob")
            expect(there.page.get_by_role("log").locator(".by .node")).to_have_text("on alice.dev")
            bob.process.send_signal(signal.SIGKILL)
            bob.process.wait()
        say(tab, "are you there?")
        expect(alert).to_contain_text("bob.dev is offline: ")
        assert (typed(tab), done.inner_text()) == ("are you there?", "")
        with person.dev(CHAT, "--home", home) as bob, chatting(browser, bob) as there:
            for _ in range(BOOTING // 1000):
                tab.page.get_by_role("button", name="Send").click()
                with suppress(AssertionError):
                    expect(done).to_have_text("bob.dev has it: are you there?", timeout=1000)
                    break
            wait_said(there, "hello bob", "are you there?")
        write_to(tab, "alice.dev", "here again")
        wait_said(tab, "good morning", "here again")


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_why_another_node_did_not_hear_it_is_said_and_fits(browser: Browser, chat: LiveNode, size: Size):
    with chatting(browser, chat, size=size) as tab:
        name = "nobody." + "a" * 200
        write_to(tab, name, "hello?")
        expect(tab.page.get_by_role("alert")).to_contain_text(f"{name} is offline: ")
        assert typed(tab) == "hello?"
        assert tab.run("() => document.documentElement.scrollWidth <= window.innerWidth")
        write_to(tab, "no node!", "hello?")
        expect(tab.page.get_by_role("alert")).to_contain_text("to is the name of a node, not")
        tab.page.reload()
        expect(tab.page.get_by_label("To ")).to_have_value("no node!")
