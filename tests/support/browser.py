"""A Chromium driven by Playwright, and pages in it that use the browser client."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import attrs
import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect, sync_playwright

from tests.support.live_node import LiveNode

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
INSECURE = "nectar.test"
"""A name of this machine that is not localhost: to a browser its http pages are not secure."""
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--no-proxy-server",
    f"--host-resolver-rules=MAP {INSECURE} 127.0.0.1",
]  # fmt: skip
SECONDS = 15
TOO_LATE = f"new Promise((_, fail) => setTimeout(() => fail(new Error('no answer')), {SECONDS * 1000}))"
expect.set_options(timeout=SECONDS * 1000)  # five seconds otherwise, too few on a machine with much to do
Size = ViewportSize
PHONE, DESKTOP = Size(width=390, height=844), Size(width=1280, height=800)

# What the client tells is kept as [handler, what it said]; a frame of bytes as their list.
RECORDING = """
options => {
  const told = window.told = [];
  const plain = (data) => data instanceof ArrayBuffer ? { bytes: [...new Uint8Array(data)] } : data;
  window.api = new NectarEncryptorApi({
    onOpen: () => told.push(["open", api.channel]),
    onMessage: (data) => told.push(["message", plain(data)]),
    onClose: (event) => told.push(["close", event.code]),
    onError: (error) => told.push(["error", `${error.kind}: ${error.message}`]),
    ...(options.encrypted ? { onEncryptionReady: () => told.push(["ready", null]) } : {}),
    ...options,
  });
}
"""


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Skips the test where there is no Chromium, and fails it there when `CI` is set."""
    if CHROMIUM is None:
        problem = "there is no chromium: scripts/browser installs it where it can"
        pytest.fail(problem) if os.environ.get("CI") else pytest.skip(problem)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS, timeout=60_000)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def open_page(browser: Browser, size: Size | None = None) -> Iterator[Page]:
    """Without cookies; what waits in it does so for a limited time."""
    with browser.new_context(viewport=size) as context:
        context.set_default_timeout(SECONDS * 1000)
        yield context.new_page()


@attrs.frozen
class Tab:
    """A page of a node."""

    page: Page
    node: LiveNode

    def url(self, path: str, host: str = "localhost") -> str:
        return f"http://{host}:{self.node.port}{path}"

    def visit(self, path: str, host: str = "localhost") -> None:
        reply = self.page.goto(self.url(path, host))
        assert reply is not None
        assert reply.ok, reply.status_text

    def log_in(self, password: str = "secret") -> None:
        """As the login page does it."""
        ask = "password => fetch('/login', {method: 'POST', body: JSON.stringify({password})}).then(a => a.status)"
        assert self.run(ask, password) == 200

    # -- a client of this page, one at a time

    def connect(self, **options: object) -> None:
        """Make it; what it is told stands in `told` from now on."""
        self.page.evaluate(RECORDING, options)

    def run(self, function: str, given: object = None) -> Any:
        """In the page, where the client is `api`. Waits for a promise, for as long as the page's clock allows."""
        return self.page.evaluate(f"given => Promise.race([({function})(given), {TOO_LATE}])", given)

    def thrown(self, statement: str) -> str:
        """What this statement of the page throws, as `name: message`."""
        told = "`${error.name}: ${error.message}`"
        return str(self.run(f"async () => {{ try {{ {statement} }} catch (error) {{ return {told} }} }}"))

    def send(self, data: object) -> None:
        self.run("data => api.send({ data })", data)

    def told(self, name: str) -> list[Any]:
        """What its handler of that name was told so far."""
        return [said for handler, said in self.run("() => told") if handler == name]

    def wait_told(self, name: str, times: int = 1, *, seconds: float = SECONDS) -> list[Any]:
        """Until it was told that often."""
        self.page.wait_for_function(
            "([name, times]) => told.filter((one) => one[0] === name).length >= times",
            arg=[name, times],
            timeout=seconds * 1000,
        )
        return self.told(name)


__all__ = ["DESKTOP", "INSECURE", "PHONE", "Tab", "open_browser", "open_page"]
