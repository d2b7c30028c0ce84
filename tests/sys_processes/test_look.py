from __future__ import annotations

import base64
import hashlib
import re

import pytest

from sys_processes._look import STYLE, document, page_headers
from sys_processes.homepage.page import start_page
from sys_processes.http_server.pages import login_page


def hashed(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def inline(tag: str, page: bytes) -> list[str]:
    return re.findall(f"<{tag}>(.*?)</{tag}>", page.decode(), re.DOTALL)


def own_pages() -> list[tuple[dict[str, str], bytes]]:
    login = login_page("alice.uq")
    return [
        (dict(login.headers), login.body),
        start_page("alice.uq", []),
        start_page("alice.uq", [], stylesheet="a > b { color: red }"),
    ]


@pytest.mark.parametrize("place", range(3))
def test_a_browser_runs_and_shows_exactly_what_stands_in_the_page(place: int) -> None:
    headers, page = own_pages()[place]
    policy = headers["content-security-policy"]
    assert [f"style-src {hashed(style)};" in policy for style in inline("style", page)] == [True]
    assert [f"script-src {hashed(script)};" in policy for script in inline("script", page)] == [True]
    # An attribute would need a hash of its own.
    assert re.search(r"<[^>]* (style|on\w+)=", page.decode()) is None


def test_a_page_without_a_script_lets_none_run_and_sends_no_form() -> None:
    policy = page_headers()["content-security-policy"]
    assert "script-src 'none'; " in policy
    assert "form-action 'none'; " in policy
    assert "form-action 'self'; " in page_headers(forms=True)["content-security-policy"]
    assert inline("script", document("t", "<p>x</p>")) == []


def test_a_title_is_text() -> None:
    assert b"<title>&lt;b&gt;</title>" in document("<b>", "")


def luminance(colour: str) -> float:
    digits = colour.lstrip("#")
    if len(digits) == 3:
        digits = "".join(2 * digit for digit in digits)
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    ("ink", "paper", "least"),
    [
        ("ink", "paper", 7),
        ("ink", "card", 7),
        ("quiet", "paper", 4.5),
        ("quiet", "card", 4.5),
        ("accent", "paper", 4.5),
        ("on-accent", "accent", 4.5),
        ("bad", "paper", 4.5),
        ("edge", "paper", 3),
        ("edge", "card", 3),
    ],
)
def test_text_and_edges_stand_out_by_day_and_night(scheme: str, ink: str, paper: str, least: float) -> None:
    """WCAG 2.2 AA: 4.5 for text, 3 for the edges of what one can press or fill in."""
    light, dark = STYLE.split("@media (prefers-color-scheme: dark)")[:2]
    colours = dict(re.findall(r"--([\w-]+): (#\w+)", light if scheme == "light" else dark))
    assert contrast(colours[ink], colours[paper]) >= least
