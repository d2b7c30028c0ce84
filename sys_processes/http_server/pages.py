"""Pages and scripts that http_server serves itself (PROTOCOL 6.8, 6.9). They load nothing from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Sequence
from http import HTTPStatus

from kernel.address import ProcessId
from kernel.jsontext import dump
from sys_processes.http_server.http1 import RequestHead
from sys_processes.http_server.replies import HttpReply, text_reply

_STYLE = """
:root { color-scheme: light dark; --ink: #1c1b19; --paper: #faf8f4; --line: #8b857a; --accent: #8a4b00; --bad: #a3190f }
@media (prefers-color-scheme: dark) {
  :root { --ink: #eeeae2; --paper: #1d1b18; --line: #857e72; --accent: #f0ad4e; --bad: #ff8d80 }
}
* { box-sizing: border-box }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1.5rem;
  background: var(--paper); color: var(--ink); font: 1.0625rem/1.5 system-ui, sans-serif }
main { width: 100%; max-width: 26rem }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 1rem; overflow-wrap: anywhere }
label { display: block; margin-bottom: .25rem }
input, button { width: 100%; font: inherit; padding: .625rem .75rem; border-radius: .375rem }
input { background: transparent; color: inherit; border: 1px solid var(--line) }
button { margin-top: 1rem; border: 0; background: var(--accent); color: var(--paper);
  font-weight: 600; cursor: pointer }
button:disabled { opacity: .6; cursor: default }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px }
[role=alert] { color: var(--bad); min-height: 1.5em; margin: .75rem 0 0 }
ul { list-style: none; padding: 0; margin: 0 }
li { border-top: 1px solid var(--line) }
a { color: var(--accent) }
li a { display: block; padding: .75rem 0; overflow-wrap: anywhere }
code { overflow-wrap: anywhere }
"""

_LOGIN_SCRIPT = """
const form = document.querySelector("form"), button = form.querySelector("button");
const problem = document.querySelector("[role=alert]"), field = form.querySelector("#password");
function onwards() {
  if (location.pathname.replace(/\\/$/, "") !== "/login") return location.reload();
  const wanted = new URLSearchParams(location.search).get("redirect") || "/";
  const target = new URL(wanted, location.origin);
  location.assign(target.origin === location.origin && wanted.startsWith("/") ? target : "/");
}
async function explain(answer) {
  if (answer.status === 401) return "That is not the password of this node.";
  if (answer.status === 429)
    return "Too many failed logins. Try again in " + answer.headers.get("retry-after") + " seconds.";
  const text = await answer.text();
  return "The node answered " + answer.status + ": " + text;
}
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  button.disabled = true;
  problem.textContent = "";
  try {
    const answer = await fetch("/login", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ password: field.value }),
    });
    if (answer.ok) return onwards();
    problem.textContent = await explain(answer);
  } catch {
    problem.textContent = "The node did not answer. Is it running?";
  }
  button.disabled = false;
  field.select();
});
"""

_LOGIN = """<h1>Log in to {node}</h1>
<form method="post">
<input type="text" name="username" value="{node}" autocomplete="username" hidden>
<label for="password">Password</label>
<input id="password" type="password" autocomplete="current-password" required autofocus aria-describedby="problem">
<button>Log in</button>
<p id="problem" role="alert"></p>
</form>
<noscript><p>Logging in needs JavaScript.</p></noscript>"""


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


_POLICY = (
    f"default-src 'none'; style-src {_hash(_STYLE)}; script-src {_hash(_LOGIN_SCRIPT)}; connect-src 'self'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = [
    ("content-type", "text/html; charset=utf-8"),
    ("cache-control", "no-store"),
    ("content-security-policy", _POLICY),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "same-origin"),
]
_SCRIPT_HEADERS = [("content-type", "application/javascript"), ("cache-control", "no-cache")]


def _page(status: int, title: str, content: str, script: str = "") -> HttpReply:
    """`title` is text, `content` HTML."""
    tail = f"<script>{script}</script>\n" if script else ""
    text = (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n"
        f"<body>\n<main>\n{content}\n</main>\n{tail}</body>\n</html>\n"
    )
    return HttpReply(status, list(_HEADERS), text.encode())


def login_page(node: str, status: int = 200) -> HttpReply:
    """The form posts JSON to /login, then follows `?redirect=`, or reloads the page that it stood in for."""
    content = _LOGIN.format(node=html.escape(node))
    return _page(status, f"Log in to {node}", content, _LOGIN_SCRIPT)


def start_page(node: str, apps: Sequence[ProcessId]) -> HttpReply:
    """What stands at `/` until a homepage is installed: links to the apps whose root is bound."""
    links = "\n".join(
        f'<li><a href="/{html.escape(str(app))}/">{html.escape(str(app))}</a></li>' for app in apps
    )
    listed = (
        f"<ul>\n{links}\n</ul>"
        if links
        else ("<p>No app serves a page yet. Start one with <code>nectar start-package DIR</code>.</p>")
    )
    return _page(200, node, f"<h1>{html.escape(node)}</h1>\n{listed}")


def our(node: str) -> HttpReply:
    """The node's name."""
    return HttpReply(200, [("content-type", "text/html")], html.escape(node).encode())


def our_js(node: str, public_key: bytes) -> HttpReply:
    """Tells pages whose node they are on, and the key by which they know it again."""
    quoted = dump(node).decode()[1:-1].replace("'", "\\u0027").replace("<", "\\u003c")
    script = f"window.our = {{}};\nwindow.our.node = '{quoted}';\nwindow.our.public_key = '0x{public_key.hex()}';\n"
    return HttpReply(200, list(_SCRIPT_HEADERS), script.encode())


def client_js(module: bytes) -> HttpReply:
    """The browser client."""
    return HttpReply(200, list(_SCRIPT_HEADERS), module)


def only_get() -> HttpReply:
    """405 for pages that are only read."""
    return text_reply(405, "only GET and HEAD are possible here", [("allow", "GET, HEAD")])


def refusal(head: RequestHead, status: int, reason: str) -> HttpReply:
    """A page for people, one line of text for programs."""
    if "text/html" not in (head.header("accept") or ""):
        return text_reply(status, reason)
    title = HTTPStatus(status).phrase
    sentence = html.escape(reason[:1].upper() + reason[1:])
    return _page(
        status,
        title,
        f'<h1>{status} {title}</h1>\n<p>{sentence}.</p>\n<p><a href="/">To the start page</a></p>',
    )
