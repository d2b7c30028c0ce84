"""How the node's own pages look: login, refusals, start page. One stylesheet, no build step, nothing from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import html
from functools import lru_cache
from typing import Final

STYLE: Final = """
:root {
  color-scheme: light dark;
  --paper: #faf8f4; --card: #fff; --ink: #1f1d1a; --quiet: #665f55; --line: #e6e0d6; --edge: #8b857a;
  --accent: #8a4b00; --on-accent: #fff; --bad: #a3190f; --tint: 88%; --shade: 24%;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #191714; --card: #24211d; --ink: #eeeae2; --quiet: #b3ab9e; --line: #3a352e; --edge: #857e72;
    --accent: #f0ad4e; --on-accent: #1d1b18; --bad: #ff8d80; --tint: 24%; --shade: 84%;
  }
}
* { box-sizing: border-box }
html { -webkit-text-size-adjust: 100% }
body {
  margin: 0; min-height: 100vh; min-height: 100dvh; display: flex; flex-direction: column;
  background: var(--paper); color: var(--ink); font: 1.0625rem/1.5 system-ui, sans-serif;
}
h1, h2, p { margin: 0 }
h1 { font-size: 1.5rem; line-height: 1.25; overflow-wrap: anywhere }
h2 { font-size: 1rem; line-height: 1.5 }
a { color: var(--accent); text-underline-offset: .2em }
code { font: .9375em ui-monospace, monospace; overflow-wrap: anywhere }
.quiet { color: var(--quiet) }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px }
button, input { font: inherit; color: inherit; border-radius: .5rem }
button {
  cursor: pointer; border: 1px solid var(--edge); background: none; padding: .375rem .875rem; min-height: 2.75rem;
}
button:hover { border-color: var(--accent) }
button:disabled { opacity: .6; cursor: default }
.mark { display: block; width: 2.5rem; height: 2.5rem; color: var(--accent) }

.alone { flex: 1; display: grid; place-items: center; padding: 1.5rem }
.alone > * { width: 100%; max-width: 25rem }
.alone .mark { margin: 0 0 1.25rem }
.alone p { margin-top: .75rem }
.alone form { margin-top: 1.5rem }
label { display: block; margin-bottom: .375rem }
input { width: 100%; padding: .625rem .75rem; background: var(--card); border: 1px solid var(--edge) }
.main {
  width: 100%; margin-top: 1rem; border-color: transparent; background: var(--accent); color: var(--on-accent);
  font-weight: 600;
}
.main:hover { filter: brightness(1.1) }
[role=alert] { color: var(--bad); min-height: 1.5em }

.bar {
  display: flex; align-items: center; gap: .75rem; padding: .75rem max(1.25rem, calc(50vw - 32rem));
  border-bottom: 1px solid var(--line);
}
.bar .mark { flex: none; width: 2rem; height: 2rem }
.bar p { flex: 1; min-width: 0; overflow-wrap: anywhere; line-height: 1.3 }
.bar button { white-space: nowrap }
.start { width: 100%; max-width: 66.5rem; margin: 0 auto; padding: 1.75rem 1.25rem 3rem }
.start section { margin-top: 2rem }
.start [role=alert] { min-height: 0 }
.over { display: flex; align-items: baseline; justify-content: space-between; gap: 1rem }
.apps {
  list-style: none; margin: .75rem 0 0; padding: 0; display: grid; gap: .75rem;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 18rem), 1fr));
}
.app {
  position: relative; display: flex; align-items: center; gap: .875rem; padding: .75rem .5rem .75rem .875rem;
  background: var(--card); border: 1px solid var(--line); border-radius: .875rem;
}
.app:hover, .app:focus-within { border-color: var(--accent) }
.app:target { box-shadow: 0 0 0 2px var(--accent) }
.app > img, .letter { flex: none; width: 2.75rem; height: 2.75rem; border-radius: .625rem }
.app > img { object-fit: contain }
.letter {
  display: grid; place-items: center; font-weight: 600; font-size: 1.25rem;
  background: hsl(var(--hue) 42% var(--tint)); color: hsl(var(--hue) 55% var(--shade));
}
.h0 { --hue: 35 } .h1 { --hue: 95 } .h2 { --hue: 160 } .h3 { --hue: 205 } .h4 { --hue: 265 } .h5 { --hue: 340 }
.name { flex: 1; min-width: 0; line-height: 1.3 }
.name > * { display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 2; overflow: hidden;
  overflow-wrap: anywhere }
.name a { color: inherit; font-weight: 600; text-decoration: none; outline: 0 }
.name a::after { content: ""; position: absolute; inset: 0; border-radius: .875rem }
.name a:focus-visible::after { outline: 3px solid var(--accent); outline-offset: 2px }
.name strong { font-weight: 600 }
.name span { font-size: .875rem }
.app form { position: relative; flex: none; display: flex }
.app button {
  border-color: transparent; padding: 0; width: 2.75rem; height: 2.75rem; display: grid; place-items: center;
}
.app button:hover { border-color: var(--edge) }
.app svg { width: 1.25rem; height: 1.25rem; fill: none; stroke: var(--quiet); stroke-width: 1.75;
  stroke-linejoin: round; stroke-linecap: round }
.app [aria-pressed=true] svg { fill: var(--accent); stroke: var(--accent) }
.empty {
  margin-top: 2rem; padding: 2.5rem 1.5rem; text-align: center; border: 1px dashed var(--edge); border-radius: 1rem;
}
.empty p { margin-top: .5rem }
.widgets { display: grid; gap: .75rem; margin-top: .75rem;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 18rem), 1fr)) }
figure { margin: 0; background: var(--card); border: 1px solid var(--line); border-radius: .875rem; overflow: hidden }
figcaption { padding: .5rem .875rem; font-weight: 600; overflow-wrap: anywhere; border-bottom: 1px solid var(--line) }
iframe { display: block; width: 100%; height: 14rem; border: 0; color-scheme: light; background: #fff }
@media (prefers-reduced-motion: no-preference) {
  button, .app { transition: border-color .15s, filter .15s }
}
"""

# A cell of a comb, with a drop in it.
_CELL = (
    '<path d="M12 1.8 20.8 6.9v10.2L12 22.2 3.2 17.1V6.9z" fill="none" stroke="{ink}" stroke-width="1.8" '
    'stroke-linejoin="round"/><path d="M12 6.6c2.3 2.9 3.5 4.9 3.5 6.6a3.5 3.5 0 0 1-7 0c0-1.7 1.2-3.7 3.5-6.6z" '
    'fill="{ink}"/>'
)
MARK: Final = (
    f'<svg class="mark" viewBox="0 0 24 24" aria-hidden="true">{_CELL.format(ink="currentColor")}</svg>'
)
_ICON = base64.b64encode(
    f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24">{_CELL.format(ink="#c77700")}</svg>'.encode()
).decode()


@lru_cache(maxsize=16)
def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def page_headers(*, script: str = "", style: str = STYLE, forms: bool = False) -> dict[str, str]:
    """Of a page made by `document`. It may show inline pictures, talk to the node, and with `forms` send forms to it.

    An empty `style` lets any inline style pass: what stands in a frame of the page is held to the page's rules.
    """
    scripts = _digest(script) if script else "'none'"
    styles = _digest(style) if style else "'unsafe-inline'"
    targets = "'self'" if forms else "'none'"
    return {
        "content-type": "text/html; charset=utf-8",
        "cache-control": "no-store",
        "content-security-policy": (
            f"default-src 'none'; style-src {styles}; script-src {scripts}; img-src data:; connect-src 'self'; "
            f"form-action {targets}; base-uri 'none'; frame-ancestors 'none'"
        ),
        "x-content-type-options": "nosniff",
        "referrer-policy": "same-origin",
    }


def document(title: str, content: str, *, script: str = "", style: str = STYLE) -> bytes:
    """`title` is text, `content` HTML."""
    tail = f"<script>{script}</script>\n" if script else ""
    text = (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<title>{html.escape(title)}</title>\n<link rel="icon" href="data:image/svg+xml;base64,{_ICON}">\n'
        f"<style>{style}</style>\n</head>\n<body>\n{content}\n{tail}</body>\n</html>\n"
    )
    return text.encode()
