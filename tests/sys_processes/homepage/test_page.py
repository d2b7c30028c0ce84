from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from kernel.address import ProcessId
from sys_processes.homepage.page import start_page
from sys_processes.homepage.protocol import AppEntry

CHESS = ProcessId("chess", "chess", "nectar")
CHAT = ProcessId("chat", "chat", "me")


def entry(
    process: ProcessId = CHESS,
    label: str = "Chess",
    *,
    icon: str = "",
    widget: str | None = None,
    has_path: bool = True,
    favorite: bool = False,
) -> AppEntry:
    path = f"/{process}/" if has_path else None
    return AppEntry(
        process,
        process.process,
        process.package,
        process.publisher,
        path,
        label,
        icon,
        widget,
        order=0,
        favorite=favorite,
    )


def page(*entries: AppEntry, node: str = "alice.uq", stylesheet: str = "", arranging: bool = False) -> str:
    return start_page(node, entries, stylesheet=stylesheet, arranging=arranging)[1].decode()


def policy(*entries: AppEntry) -> str:
    return start_page("alice.uq", entries)[0]["content-security-policy"]


def test_it_says_which_node_it_is_and_lets_people_out() -> None:
    text = page()
    assert "<h1>alice.uq</h1>" in text
    assert "Logged in as</span> <strong>alice.uq</strong>" in text
    assert '<form method="post" action="/logout"><button>Log out</button></form>' in text


def test_without_apps_it_names_the_command_that_brings_one() -> None:
    assert "nectar start-package DIR" in page()
    assert "nectar start-package" not in page(entry())


def test_an_app_is_a_link_with_its_label_and_package() -> None:
    text = page(entry())
    assert '<a href="/chess:chess:nectar/" title="chess:chess:nectar">Chess</a>' in text
    assert '<span class="quiet">chess:nectar</span>' in text
    assert 'aria-hidden="true">C</span>' in text
    assert '<img src="data:image/png;base64,AA" alt=""' in page(entry(icon="data:image/png;base64,AA"))


def test_what_has_nothing_to_open_is_no_link() -> None:
    text = page(entry(has_path=False))
    assert "<strong>Chess</strong>" in text
    assert "href=" not in text.partition("<main")[2]


def test_favorites_stand_in_a_section_of_their_own() -> None:
    both = page(entry(favorite=True), entry(CHAT, "Chat"))
    assert (
        both.index('<h2 id="favorites">')
        < both.index(">Chess<")
        < both.index('<h2 id="apps">')
        < both.index(">Chat<")
    )
    assert 'value="false" aria-pressed="true" aria-label="Chess: favorite"' in both
    assert 'value="true" aria-pressed="false" aria-label="Chat: favorite"' in both
    assert 'id="apps"' not in page(entry(favorite=True))
    assert 'id="favorites"' not in page(entry())


def test_arranging_moves_apps_within_the_section() -> None:
    text = page(entry(), entry(CHAT, "Chat"), arranging=True)
    buttons = re.findall(r'aria-label="(Move [^"]+)"[^>]*?( disabled)?>', text)
    assert buttons == [
        ("Move Chess up", " disabled"),
        ("Move Chess down", ""),
        ("Move Chat up", ""),
        ("Move Chat down", " disabled"),
    ]
    assert text.count('<a href="/">Done</a>') == 1
    assert page(entry(), entry(CHAT)).count('<a href="/?arrange">Arrange</a>') == 1
    assert "Arrange" not in page(entry())


def test_a_widget_stands_in_a_frame_that_may_do_nothing() -> None:
    text = page(entry(widget='<script>alert("1")</script>', has_path=False))
    assert (
        '<iframe sandbox loading="lazy" title="Chess" '
        'srcdoc="&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;"></iframe>'
    ) in text
    assert "nectar start-package" in text
    assert "<li " not in text
    assert "<li " in page(entry(widget="<p>"))


def test_the_policy_lets_nothing_in_from_elsewhere() -> None:
    plain = policy(entry())
    assert "default-src 'none'" in plain
    assert "form-action 'self'" in plain
    assert "frame-ancestors 'none'" in plain
    assert "unsafe" not in plain
    # The styles of a widget are held to the policy of the page around it; its scripts stay where they are.
    framed = policy(entry(widget="<p>"))
    assert "style-src 'unsafe-inline'" in framed
    assert "script-src 'sha256-" in framed


def test_it_is_for_phones_keyboards_screen_readers_and_the_night() -> None:
    text = page(entry())
    for wanted in (
        '<html lang="en">',
        'name="viewport"',
        "<header",
        '<main class="start">',
        '<section aria-labelledby="apps">',
        ":focus-visible",
        "prefers-color-scheme: dark",
        "prefers-reduced-motion",
    ):
        assert wanted in text


def test_the_owners_rules_come_after_ours() -> None:
    text = page(stylesheet="body { color: red }")
    assert text.partition("</style>")[0].endswith("body { color: red }")


@given(st.text(min_size=1, max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_nothing_that_an_app_says_becomes_markup(label: str, icon: str, widget: str) -> None:
    marked = f'"><!{label}'
    text = page(entry(label=marked, icon=f"{marked}{icon}", widget=f"{marked}{widget}"), node=marked)
    assert '"><!' not in text
