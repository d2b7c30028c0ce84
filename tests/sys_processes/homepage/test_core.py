from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.address import ProcessId
from kernel.codec import Malformed
from sys_processes.homepage.core import (
    MAX_APPS,
    MAX_REMEMBERED,
    MAX_SIZE,
    MAX_WIDGETS,
    Apps,
    Kept,
    Move,
    SetFavorite,
    SetOrder,
    changed,
    forgotten,
    read_favorite,
    read_kept,
    read_order,
)
from sys_processes.homepage.protocol import Add, AppEntry


def pid(name: str) -> ProcessId:
    return ProcessId.from_str(f"{name}:{name}:me")


A, B, C = (pid(name) for name in "abc")


def shelf(*names: str) -> Apps:
    apps = Apps()
    for name in names:
        assert apps.add(pid(name), Add(name, path="/")) is None
    return apps


def labels(apps: Apps, *roots: ProcessId) -> list[str]:
    return [entry.label for entry in apps.listed(roots)]


# -- what is listed


def test_an_entry_tells_who_it_is_and_where_it_leads() -> None:
    apps = Apps()
    apps.add(A, Add("Chess", "data:image/png;base64,AAAA", "games?x=1"))
    assert apps.listed([]) == (
        AppEntry(
            A,
            "a",
            "a",
            "me",
            "/a:a:me/games?x=1",
            "Chess",
            "data:image/png;base64,AAAA",
            None,
            order=0,
            favorite=False,
        ),
    )


def test_who_serves_its_root_is_listed_without_asking() -> None:
    apps = shelf("b")
    main = ProcessId("main", "notes", "me")
    assert [(entry.label, entry.path) for entry in apps.listed([A, B, main])] == [
        ("a", "/a:a:me/"),
        ("b", "/b:b:me/"),
        ("notes", "/main:notes:me/"),
    ]


def test_an_entry_without_a_path_leads_to_its_root_if_that_is_bound() -> None:
    apps = Apps()
    apps.add(A, Add("x"))
    assert [entry.path for entry in apps.listed([])] == [None]
    assert [entry.path for entry in apps.listed([A])] == ["/a:a:me/"]


def test_a_process_has_one_entry_the_last_it_added() -> None:
    apps = shelf("a")
    apps.add(A, Add("other"))
    assert labels(apps) == ["other"]


def test_who_removed_itself_is_not_listed_for_its_root_either() -> None:
    apps = shelf("a")
    apps.remove(A)
    assert labels(apps, A) == []
    assert apps.processes() == [A]
    apps.add(A, Add("again"))
    assert labels(apps, A) == ["again"]


def test_an_entry_goes_with_its_process_and_the_next_run_begins_anew() -> None:
    apps = shelf("a", "b")
    apps.remove(B)
    apps.gone(A)
    apps.gone(B)
    assert labels(apps) == []
    assert labels(apps, A, B) == ["a", "b"]


def test_favorites_come_first_then_the_order_then_the_label() -> None:
    apps = shelf("d", "C", "b", "a")
    assert labels(apps) == ["a", "b", "C", "d"]
    apps.kept = Kept((str(pid("d")),), {str(pid("b")): 0, str(pid("a")): 7})
    assert labels(apps) == ["d", "b", "a", "C"]


def test_the_page_has_room_for_so_many() -> None:
    apps = shelf(*(f"n{n}" for n in range(MAX_APPS)))
    assert "500 apps" in (apps.add(A, Add("x")) or "")
    assert apps.add(pid("n0"), Add("again")) is None
    apps = Apps()
    for n in range(MAX_WIDGETS):
        assert apps.add(pid(f"n{n}"), Add("x", widget="<p>")) is None
    assert "16 widgets" in (apps.add(A, Add("x", widget="<p>")) or "")
    assert apps.add(A, Add("x")) is None
    assert apps.add(pid("n3"), Add("x", widget="<b>")) is None


def test_icons_and_widgets_share_a_size() -> None:
    apps = Apps()
    for n in range(32):
        assert apps.add(pid(f"n{n}"), Add("x", icon="a" * (MAX_SIZE // 32))) is None
    assert "characters in all" in (apps.add(A, Add("x", icon="a")) or "")
    assert apps.add(A, Add("x")) is None
    apps.remove(pid("n0"))
    assert apps.add(A, Add("x", icon="a")) is None


# -- what the owner chooses


def after(apps: Apps, *changes: SetFavorite | SetOrder | Move) -> list[str]:
    for change in changes:
        apps.kept = changed(apps.kept, apps.listed([]), change)
    return labels(apps)


def test_a_favorite_can_be_made_and_unmade() -> None:
    apps = shelf("a", "b", "c")
    assert after(apps, SetFavorite(str(C), favorite=True)) == ["c", "a", "b"]
    assert after(apps, SetFavorite(str(C), favorite=True)) == ["c", "a", "b"]
    assert apps.kept.favorites == (str(C),)
    assert after(apps, SetFavorite(str(C), favorite=False)) == ["a", "b", "c"]
    assert apps.kept == Kept()


def test_who_is_not_listed_becomes_no_favorite_but_can_stop_being_one() -> None:
    apps = shelf("a")
    after(apps, SetFavorite(str(B), favorite=True))
    assert apps.kept == Kept()
    apps.kept = Kept((str(B),))
    after(apps, SetFavorite(str(B), favorite=False))
    assert apps.kept == Kept()


def test_an_app_moves_one_place_within_its_group() -> None:
    apps = shelf("a", "b", "c")
    assert after(apps, Move(str(C), up=True)) == ["a", "c", "b"]
    assert after(apps, Move(str(A), up=False)) == ["c", "a", "b"]
    assert after(apps, Move(str(C), up=True), Move(str(B), up=False), Move("x:x:me", up=True)) == [
        "c",
        "a",
        "b",
    ]
    assert after(apps, SetFavorite(str(B), favorite=True), Move(str(C), up=True)) == ["b", "c", "a"]


def test_an_app_moves_past_a_widget_that_has_no_tile() -> None:
    apps = shelf("a", "b")
    apps.add(pid("w"), Add("aa", widget="<p>"))
    assert after(apps) == ["a", "aa", "b"]
    assert after(apps, Move(str(B), up=True)) == ["b", "aa", "a"]
    before = apps.kept
    assert after(apps, Move(str(pid("w")), up=True)) == ["b", "aa", "a"]
    assert apps.kept == before


def test_an_order_leaves_those_alone_that_it_does_not_name() -> None:
    apps = shelf("a", "b", "c")
    assert after(apps, SetOrder({str(C): 0, str(B): 1})) == ["c", "b", "a"]
    apps.gone(C)
    assert after(apps, SetOrder({str(A): 0, "x:x:me": 3})) == ["a", "b"]
    assert apps.kept.order == {str(C): 0, str(B): 1, str(A): 0}


def test_what_is_remembered_is_bounded() -> None:
    apps = shelf("a")
    apps.kept = Kept(
        tuple(f"f{n}:f:me" for n in range(MAX_REMEMBERED)), {f"f{n}:f:me": n for n in range(MAX_REMEMBERED)}
    )
    after(apps, SetFavorite(str(A), favorite=True), SetOrder({str(A): 2**32 - 1}))
    assert len(apps.kept.favorites) == len(apps.kept.order) == MAX_REMEMBERED
    assert apps.kept.favorites[-1] == str(A)
    apps.add(B, Add("b"))
    assert apps.listed([])[-1].order == 2**32 - 1


def test_of_an_app_that_was_uninstalled_nothing_stays() -> None:
    kept = Kept((str(A), str(B)), {str(A): 0, str(B): 1}, "body{}")
    assert forgotten(kept, str(A)) == Kept((str(B),), {str(B): 1}, "body{}")


@given(st.permutations("abcdef"), st.lists(st.tuples(st.sampled_from("abcdef"), st.booleans()), max_size=20))
def test_moving_never_loses_or_doubles_an_app(names: list[str], moves: list[tuple[str, bool]]) -> None:
    apps = shelf(*names)
    after(apps, SetFavorite(str(A), favorite=True), SetFavorite(str(B), favorite=True))
    found = after(apps, *(Move(str(pid(name)), up=up) for name, up in moves))
    assert sorted(found) == sorted(names)
    assert sorted(found[:2]) == ["a", "b"]


# -- what is kept, what is posted


def test_what_cannot_be_read_is_set_aside() -> None:
    assert read_kept(None) == (Kept(), None)
    kept, problem = read_kept(b'\xff{"favorites"')
    assert kept == Kept(set_aside='\ufffd{"favorites"')
    assert isinstance(problem, Malformed)


@pytest.mark.parametrize(
    ("body", "change"),
    [
        (b'["a:a:me",true]', SetFavorite("a:a:me", favorite=True)),
        (b'["a:a:me",false]', SetFavorite("a:a:me", favorite=False)),
        (b"id=a%3Aa%3Ame&favorite=true", SetFavorite("a:a:me", favorite=True)),
        (b"id=a%3Aa%3Ame&favorite=false", SetFavorite("a:a:me", favorite=False)),
    ],
)
def test_a_favorite_is_read_in_both_forms(body: bytes, change: SetFavorite) -> None:
    assert read_favorite(body) == change


@pytest.mark.parametrize(
    ("body", "change"),
    [
        (b'[["a:a:me",1],["b:b:me",0]]', SetOrder({"a:a:me": 1, "b:b:me": 0})),
        (b"[]", SetOrder({})),
        (b"id=a:a:me&move=up", Move("a:a:me", up=True)),
        (b"id=a:a:me&move=down", Move("a:a:me", up=False)),
    ],
)
def test_an_order_is_read_in_both_forms(body: bytes, change: SetOrder | Move) -> None:
    assert read_order(body) == change


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b'["a:a:me"]',
        b'[["a:a:me",-1]]',
        b"id=a:a:me",
        b"id=nobody&move=up",
        b"move=up",
        b"id=a:a:me&move=sideways",
        b"id=%ff&move=up",
        b"\xff",
        b"&".join(b"a=%d" % n for n in range(11)),
    ],
)
def test_nonsense_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        read_order(body)
    with pytest.raises(Malformed):
        read_favorite(body.replace(b"a:a:me", b"a:"))
