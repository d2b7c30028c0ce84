"""Pages and scripts that http_server serves itself (PROTOCOL 6.8, 6.9). They load nothing from elsewhere."""

from __future__ import annotations

import html
from http import HTTPStatus

from kernel.jsontext import dump
from sys_processes._look import MARK, document, page_headers
from sys_processes.http_server.http1 import RequestHead
from sys_processes.http_server.replies import HttpReply, text_reply

_LOGIN_SCRIPT = """
const form = document.querySelector("form"), button = form.querySelector("button");
const problem = document.querySelector("[role=alert]"), field = form.querySelector("#password");
function here(wanted) {
  try {
    const target = new URL(wanted || "/", location.origin);
    return target.origin === location.origin ? target : "/";
  } catch {
    return "/";
  }
}
function onwards() {
  const { insteadOf } = form.dataset;
  if (insteadOf === "GET") return location.reload();
  const asked = new URLSearchParams(location.search).get("redirect");
  location.assign(here(insteadOf ? document.referrer : asked));
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

_LOGIN = """<main class="alone">
<div>
{mark}
<h1>Log in to {node}</h1>
<form method="post"{place}>
<input type="text" name="username" value="{node}" autocomplete="username" hidden>
<label for="password">Password</label>
<input id="password" type="password" autocomplete="current-password" required autofocus aria-describedby="problem">
<button class="main">Log in</button>
<p id="problem" role="alert"></p>
</form>
<noscript><p>Logging in needs JavaScript.</p></noscript>
</div>
</main>"""

_SCRIPT_HEADERS = [("content-type", "application/javascript"), ("cache-control", "no-cache")]


def _page(status: int, title: str, content: str, script: str = "") -> HttpReply:
    """`title` is text, `content` HTML."""
    headers = page_headers(script=script)
    return HttpReply(status, list(headers.items()), document(title, content, script=script))


def login_page(node: str, status: int = 200, *, instead_of: str = "") -> HttpReply:
    """The form posts JSON to /login, then follows `?redirect=`.

    Where it stands instead of the answer to a GET, it brings that; to another method, the page that sent it.
    """
    place = f' data-instead-of="{html.escape(instead_of)}"' if instead_of else ""
    content = _LOGIN.format(node=html.escape(node), mark=MARK, place=place)
    return _page(status, f"Log in to {node}", content, _LOGIN_SCRIPT)


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
    content = (
        f'<main class="alone">\n<div>\n{MARK}\n<h1>{title}</h1>\n<p>{sentence}.</p>\n'
        f'<p class="quiet">Status {status}</p>\n<p><a href="/">To the start page</a></p>\n</div>\n</main>'
    )
    return _page(status, f"{status} {title}", content)
