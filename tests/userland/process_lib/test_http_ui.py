"""Files of a package as an actor serves them, among scripted processes."""

from __future__ import annotations

from pathlib import Path

import pytest

from userland.process_lib import http
from userland.process_lib.testing import ActorTest

OUR = "site:site:me"
SERVE = """
from userland.process_lib import await_message, http

async def init(our):
    await http.{call}
    await await_message()
"""


@pytest.fixture
def pkg(tmp_path: Path) -> Path:
    files = {
        "ui/index.html": "<p>",
        "ui/app.mjs": "1",
        "ui/deep/Zoë's page.html": "<b>",
        "ui/100%*.txt": "all",
        "secret.py": "",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def serving(pkg: Path, call: str) -> ActorTest:
    (pkg / "site.py").write_text(SERVE.format(call=call))
    return ActorTest(pkg / "site.py", our=OUR)


ALL = {
    "/": "text/html",
    "/index.html": "text/html",
    "/app.mjs": "text/javascript",
    "/deep/Zo%C3%AB's%20page.html": "text/html",
    "/100%25%2A.txt": "text/plain",
}


@pytest.mark.parametrize("directory", ["ui", "/ui", "ui/", "pkg/ui", "/pkg/ui/"])
def test_a_ui_is_served_with_its_mime_types_at_the_paths_that_browsers_ask_for(pkg, directory):
    with serving(pkg, f'serve_ui(our, "{directory}")') as actor:
        assert {path: content.mime for path, content in actor.content.items()} == ALL
        assert actor.content["/"].bytes == b"<p>"
        assert {(bound.authenticated, bound.local_only) for bound in actor.bound} == {(True, False)}


def test_later_eras_say_who_may_see_a_ui_and_where_it_begins(pkg):
    with serving(pkg, 'serve_ui(our, "ui", False, True, ["/", "/home"])') as actor:
        assert set(actor.content) == {*ALL, "/home"}
        assert {(bound.authenticated, bound.local_only) for bound in actor.bound} == {(False, True)}


def test_the_index_alone_is_served_at_the_paths_given(pkg):
    with serving(pkg, 'serve_index_html(our, "pkg/ui", paths=["/a", "/b"])') as actor:
        assert list(actor.content) == ["/a", "/b"]


@pytest.mark.parametrize("directory", ["pkg", "", "/"])
def test_the_whole_package_folder_may_be_meant(pkg, directory):
    (pkg / "index.html").write_text("top")
    with serving(pkg, f'serve_index_html(our, "{directory}")') as actor:
        assert actor.content["/"].bytes == b"top"


def test_a_ui_without_an_index_is_an_error_that_binds_nothing(pkg):
    with serving(pkg, 'serve_ui(our, "ui/deep")') as actor:
        assert "ui/deep/index.html" in str(actor.last_error)
        assert actor.bound == []


@pytest.mark.parametrize("path", ["/app.mjs", "/site:site:me/app.mjs"])
def test_an_asset_is_found_below_pkg_however_the_folder_is_named(pkg, path):
    (pkg / "site.py").write_text(
        "from userland.process_lib import await_message, handle_ui_asset_request, http\n"
        "async def init(our):\n"
        "    call = http.HttpServerRequest.from_bytes((await await_message()).ipc).request()\n"
        '    await handle_ui_asset_request(our, "/pkg/ui", call.query_params["of"])\n'
    )
    with ActorTest(pkg / "site.py", our=OUR) as actor:
        answer = actor.push_http("GET", "/", query={"of": path})
    assert (answer.status, answer.body) == (200, b"1")
    assert answer.headers == {"Content-Type": http.get_mime_type("app.mjs")}
