from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.address import ProcessId
from kernel.codec import Err
from sys_processes.homepage.core import KEPT, Kept
from sys_processes.homepage.protocol import (
    APP_LIST,
    DONE,
    HOMEPAGE_REQUEST,
    HOMEPAGE_RESPONSE,
    MAX_ICON,
    MAX_LABEL,
    MAX_PATH,
    MAX_STYLESHEET,
    MAX_WIDGET,
    Add,
    AppEntry,
    AppsAre,
    BadRequest,
    GetApps,
    HomepageError,
    HomepageRequest,
    NoRoom,
    NotAllowed,
    NotKept,
    Remove,
    RemoveOther,
    SetStylesheet,
    check_add,
    check_stylesheet,
)
from tests.support.golden import golden

CHESS = ProcessId("chess", "chess", "nectar")
PNG = "data:image/png;base64,AAAA"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("homepage/add", Add("Chess", PNG, "/")),
        ("homepage/remove", Remove()),
        ("homepage/remove_other", RemoveOther(CHESS)),
        ("homepage/get_apps", GetApps()),
        ("homepage/set_stylesheet", SetStylesheet("body{}")),
    ],
)
def test_requests_look_as_approved(name: str, value: HomepageRequest) -> None:
    assert HOMEPAGE_REQUEST.encode(value) == golden(name)
    assert HOMEPAGE_REQUEST.decode(golden(name)) == value


def test_an_app_needs_no_more_than_its_label() -> None:
    assert HOMEPAGE_REQUEST.decode(b'{"Add":{"label":"Chess"}}') == Add("Chess")


def test_apps_look_as_approved() -> None:
    one = AppEntry(
        CHESS, "chess", "chess", "nectar", "/chess:chess:nectar/", "Chess", "", None, order=0, favorite=False
    )
    assert HOMEPAGE_RESPONSE.encode(AppsAre((one,))) == golden("homepage/apps")
    assert HOMEPAGE_RESPONSE.decode(golden("homepage/apps")) == AppsAre((one,))
    other = AppEntry(
        CHESS, "chess", "chess", "nectar", None, "Chess", PNG, "<p>", order=2**32 - 1, favorite=True
    )
    assert APP_LIST.encode((other,)) == golden("homepage/list")
    assert golden("homepage/done") == DONE


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("homepage/bad_request", BadRequest("why")),
        ("homepage/not_allowed", NotAllowed("why")),
        ("homepage/no_room", NoRoom("why")),
        ("homepage/not_kept", NotKept("why")),
    ],
)
def test_errors_look_as_approved(name: str, error: HomepageError) -> None:
    assert HOMEPAGE_RESPONSE.encode(Err(error)) == golden(name)
    assert HOMEPAGE_RESPONSE.decode(golden(name)) == Err(error)


def test_what_is_kept_looks_as_approved() -> None:
    kept = Kept((str(CHESS),), {str(CHESS): 1}, "body{}")
    assert KEPT.encode(kept) == golden("homepage/kept")
    assert KEPT.decode(golden("homepage/kept")) == kept


# -- what may stand on the page


@pytest.mark.parametrize(
    ("label", "shown"),
    [
        ("  Chess \n for\ttwo ", "Chess for two"),
        ("Che\x00ss", "Che ss"),
        ("evil\u202egpj.exe", "evil gpj.exe"),
        ("<b>", "<b>"),
        ("👩\u200d👧 家", "👩\u200d👧 家"),
    ],
)
def test_a_label_is_one_line_that_reads_in_its_own_direction(label: str, shown: str) -> None:
    assert check_add(Add(label)) == Add(shown)


@pytest.mark.parametrize(
    "icon",
    [
        None,
        "",
        PNG,
        "data:image/jpeg;base64,/9j/",
        "data:image/gif;base64,R0lG",
        "data:image/webp;base64,UklG",
        "data:image/svg+xml,%3Csvg%2F%3E",
        "data:image/svg+xml;charset=utf-8,%3Csvg%2F%3E",
    ],
)
def test_pictures_are_icons(icon: str | None) -> None:
    assert check_add(Add("x", icon)) == Add("x", icon)


@pytest.mark.parametrize(
    "icon",
    [
        "https://elsewhere.example/icon.png",
        "/icon.png",
        "javascript:alert(1)",
        "data:text/html,<script>",
        "data:image/png",
        "data:image/tiff;base64,AAAA",
        "DATA:image/png;base64,AAAA\n",
        "data:image/png;base64,AA AA",
        "data:image/svg+xml,<svg é>",
    ],
)
def test_what_is_no_inline_picture_is_no_icon(icon: str) -> None:
    with pytest.raises(ValueError, match=r"icon .* is no picture; it takes data:image/png"):
        check_add(Add("x", icon))


@pytest.mark.parametrize("path", ["/", "", "games", "/games/1?side=white#move", "/a..b/...", "/?next=../x"])
def test_a_path_leads_anywhere_below_the_process(path: str) -> None:
    assert check_add(Add("x", path=path)).path == path


@pytest.mark.parametrize(
    "path", ["/..", "../other:app:me/", "/a/%2E%2e/b", "/./x", "\\evil.example", "/a b", "/é", "/a\nb"]
)
def test_a_path_does_not_lead_out_of_the_process(path: str) -> None:
    with pytest.raises(ValueError, match="no place below your process id"):
        check_add(Add("x", path=path))


@pytest.mark.parametrize("label", ["", "  ", "\u202e\n", "\u200b", "\ufeff \u2060"])
def test_a_label_that_shows_nothing_is_refused(label: str) -> None:
    with pytest.raises(ValueError, match="shows nothing"):
        check_add(Add(label))


@pytest.mark.parametrize(
    ("most", "make"),
    [
        (MAX_LABEL, Add),
        (MAX_PATH, lambda text: Add("x", path=text)),
        (MAX_ICON, lambda text: Add("x", icon=PNG + text[len(PNG) :])),
        (MAX_WIDGET, lambda text: Add("x", widget=text)),
    ],
)
def test_everything_has_a_size(most: int, make) -> None:
    add = make("a" * most)
    assert check_add(add) == add
    with pytest.raises(ValueError, match=f"has {most + 1} characters, at most {most}"):
        check_add(make("a" * (most + 1)))


@given(st.text(max_size=30), st.text(max_size=30) | st.none(), st.text(max_size=30) | st.none())
def test_an_entry_is_refused_or_stays_what_it_is(label: str, icon: str | None, path: str | None) -> None:
    try:
        checked = check_add(Add(label, icon, path))
    except ValueError:
        return
    assert check_add(checked) == checked
    assert HOMEPAGE_REQUEST.decode(HOMEPAGE_REQUEST.encode(checked)) == checked


def test_a_stylesheet_stays_within_the_style_of_the_page() -> None:
    assert check_stylesheet("a > b { color: red }") == "a > b { color: red }"
    for text in ("</style><script>", "<!--", "\0"):
        with pytest.raises(ValueError, match="stylesheet contains"):
            check_stylesheet(text)
    with pytest.raises(ValueError, match="at most"):
        check_stylesheet("a" * (MAX_STYLESHEET + 1))
