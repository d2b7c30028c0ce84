"""The HTML of the start page: whole without JavaScript, one document, nothing from elsewhere."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Final

from sys_processes._look import MARK, STYLE, document, page_headers
from sys_processes.homepage.protocol import AppEntry

# Apps come and go while the page is open: it looks again when somebody returns to it. A star or an arrow is sent beside
# the page, so that the keyboard stays on it and "back" leads away from the page.
_SCRIPT: Final = """
const tell = (text) => { document.querySelector("main [role=alert]").textContent = text; };
let last = 0;
async function take(url, options) {
  const mine = ++last;
  try {
    const answer = await fetch(url, { cache: "no-store", ...options });
    const text = await answer.text();
    if (mine !== last) return;
    const fresh = new DOMParser().parseFromString(text, "text/html").querySelector("main.start");
    const shown = document.querySelector("main");
    if (fresh && fresh.innerHTML !== shown.innerHTML) shown.replaceWith(document.adoptNode(fresh));
    if (!fresh && answer.status >= 500) tell("The node answered " + answer.status + ": " + text);
    else if (!fresh) location.reload();
  } catch {
    tell("The node did not answer. Is it running?");
  }
}
function look() {
  if (!document.hidden) take(location.href);
}
document.addEventListener("visibilitychange", look);
window.addEventListener("focus", look);
document.addEventListener("submit", async (event) => {
  const form = event.target, place = [...form.querySelectorAll("button")].indexOf(event.submitter);
  if (!form.closest("main")) return;
  event.preventDefault();
  const body = new URLSearchParams(new FormData(form, event.submitter));
  await take(form.action, { method: "POST", body });
  const buttons = document.getElementById(body.get("id"))?.querySelectorAll("form button") ?? [];
  (buttons[place]?.disabled ? buttons[1 - place] : buttons[place])?.focus();
});
"""

_STAR: Final = (
    '<svg viewBox="0 0 24 24" aria-hidden="true"><path d="m12 3.2 2.7 5.6 6.1.8-4.5 4.3 1.1 6.1L12 17.1 '
    '6.6 20l1.1-6.1-4.5-4.3 6.1-.8z"/></svg>'
)
_UP: Final = '<svg viewBox="0 0 24 24" aria-hidden="true"><path d="m5 15 7-7 7 7"/></svg>'
_DOWN: Final = '<svg viewBox="0 0 24 24" aria-hidden="true"><path d="m5 9 7 7 7-7"/></svg>'

_EMPTY: Final = """<div class="empty">
<h2>No apps yet</h2>
<p>Put one on this node with <code>nectar start-package DIR</code>.</p>
<p class="quiet">It appears here as soon as it serves a page.</p>
</div>"""


def start_page(
    node: str, entries: Sequence[AppEntry], *, stylesheet: str = "", arranging: bool = False
) -> tuple[dict[str, str], bytes]:
    """Headers and body. `arranging` shows the buttons that change the order."""
    widgets = [entry for entry in entries if entry.widget is not None]
    style = STYLE + stylesheet
    headers = page_headers(script=_SCRIPT, style="" if widgets else style, forms=True)
    content = f"{_bar(node)}\n{_main(node, entries, widgets, arranging)}"
    return headers, document(node, content, script=_SCRIPT, style=style)


def _bar(node: str) -> str:
    return (
        f'<header class="bar">\n{MARK}\n<p><span class="quiet">Logged in as</span> <strong>{html.escape(node)}'
        '</strong></p>\n<form method="post" action="/logout"><button>Log out</button></form>\n</header>'
    )


def _main(node: str, entries: Sequence[AppEntry], widgets: Sequence[AppEntry], arranging: bool) -> str:
    tiles = [entry for entry in entries if entry.has_tile]
    favorites = [entry for entry in tiles if entry.favorite]
    others = [entry for entry in tiles if not entry.favorite]
    parts = [f'<h1>{html.escape(node)}</h1>\n<p role="alert"></p>']
    if favorites:
        parts.append(_section("Favorites", favorites, arranging, _arrange(arranging, tiles)))
    if others:
        parts.append(_section("Apps", others, arranging, "" if favorites else _arrange(arranging, tiles)))
    if not tiles:
        parts.append(_EMPTY)
    if widgets:
        parts.append(_widgets(widgets))
    return '<main class="start">\n' + "\n".join(parts) + "\n</main>"


def _arrange(arranging: bool, tiles: Sequence[AppEntry]) -> str:
    if len(tiles) < 2:
        return ""
    return '<a href="/">Done</a>' if arranging else '<a href="/?arrange">Arrange</a>'


def _section(title: str, entries: Sequence[AppEntry], arranging: bool, link: str) -> str:
    name = title.lower()
    tiles = "\n".join(
        _tile(entry, arranging, is_first=place == 0, is_last=place == len(entries) - 1)
        for place, entry in enumerate(entries)
    )
    return (
        f'<section aria-labelledby="{name}">\n<div class="over"><h2 id="{name}">{title}</h2>{link}</div>\n'
        f'<ul class="apps" role="list">\n{tiles}\n</ul>\n</section>'
    )


def _tile(entry: AppEntry, arranging: bool, *, is_first: bool, is_last: bool) -> str:
    app, label = html.escape(str(entry.id)), html.escape(entry.label)
    package = html.escape(f"{entry.package_name}:{entry.publisher}")
    named = (
        f"<strong>{label}</strong>"
        if entry.path is None
        else f'<a href="{html.escape(entry.path)}" title="{app}">{label}</a>'
    )
    buttons = _moves(app, label, is_first, is_last) if arranging else _star(app, label, entry.favorite)
    return (
        f'<li class="app" id="{app}">{_picture(entry)}'
        f'<div class="name">{named}<span class="quiet">{package}</span></div>{buttons}</li>'
    )


def _picture(entry: AppEntry) -> str:
    if entry.base64_icon:
        return f'<img src="{html.escape(entry.base64_icon)}" alt="" loading="lazy">'
    hue = sum(str(entry.id).encode()) % 6
    return f'<span class="letter h{hue}" aria-hidden="true">{html.escape(entry.label[0].upper())}</span>'


def _star(app: str, label: str, favorite: bool) -> str:
    return (
        f'<form method="post" action="/favorite"><input type="hidden" name="id" value="{app}">'
        f'<button name="favorite" value="{"false" if favorite else "true"}" aria-pressed="{str(favorite).lower()}" '
        f'aria-label="{label}: favorite" title="Favorite">{_STAR}</button></form>'
    )


def _moves(app: str, label: str, is_first: bool, is_last: bool) -> str:
    def button(way: str, picture: str, disabled: bool) -> str:
        off = " disabled" if disabled else ""
        return (
            f'<button name="move" value="{way}" aria-label="Move {label} {way}" title="Move {way}"{off}>{picture}'
            "</button>"
        )

    return (
        f'<form method="post" action="/order"><input type="hidden" name="id" value="{app}">'
        f"{button('up', _UP, is_first)}{button('down', _DOWN, is_last)}</form>"
    )


def _widgets(entries: Sequence[AppEntry]) -> str:
    frames = "\n".join(_frame(entry) for entry in entries)
    return (
        '<section aria-labelledby="widgets">\n<h2 id="widgets">Widgets</h2>\n'
        f'<div class="widgets">\n{frames}\n</div>\n</section>'
    )


def _frame(entry: AppEntry) -> str:
    """Without any right: no script, no form, no way out of its frame."""
    label, widget = html.escape(entry.label), html.escape(entry.widget or "")
    return (
        f"<figure><figcaption>{label}</figcaption>"
        f'<iframe sandbox loading="lazy" title="{label}" srcdoc="{widget}"></iframe></figure>'
    )
