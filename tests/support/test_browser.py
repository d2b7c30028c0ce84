"""What happens to the tests of pages where there is no browser."""

from __future__ import annotations

import pytest

from tests.support import browser


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setattr(browser, "CHROMIUM", None)
    return monkeypatch


def test_without_a_browser_they_are_skipped(bare: pytest.MonkeyPatch):
    bare.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="scripts/browser installs it"), browser.open_browser():
        pass


def test_without_a_browser_they_fail_in_ci(bare: pytest.MonkeyPatch):
    bare.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="scripts/browser installs it"), browser.open_browser():
        pass
