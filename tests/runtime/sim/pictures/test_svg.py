"""Issue 5, point 10: one file, readable by programs and by people."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.sim.pictures.compose import picture_of
from runtime.sim.pictures.svg import svg
from tests.support.pictured import replicated
from tests.support.told_trace import ToldTrace

SVG = "{http://www.w3.org/2000/svg}"


def tree_of(told, **options):
    return ET.fromstring(svg(picture_of(told.entries(), **options)))


def texts(tree):
    return [element.text for element in tree.iter(f"{SVG}text")]


def test_it_shows_title_lanes_labels_and_times():
    shown = texts(tree_of(replicated(), title="A <lost> value", subtitle="seed 17"))
    for words in (
        "A <lost> value",
        "seed 17",
        "alice.uq",
        "counter",
        "app:me",
        '{"Add":1}',
        "0.020",
        "+1.45 s",
    ):
        assert words in shown, words


def test_whatever_is_drawn_has_its_whole_text_under_the_mouse():
    tree = tree_of(replicated())
    groups = [group for group in tree.iter(f"{SVG}g") if "m" in (group.get("class") or "").split()]
    assert len(groups) == len(picture_of(replicated().entries()).arrows)
    hovers = [group.find(f"{SVG}title").text for group in groups]
    assert any("request alice.uq@client:app:me -> alice.uq@counter:app:me" in hover for hover in hovers)
    assert tree.get("role") == "img"
    assert tree.find(f"{SVG}desc").text.startswith("Sequence diagram, time runs down.")


def test_what_did_not_arrive_is_dashed_red_and_ends_in_a_cross():
    tree = tree_of(replicated())
    lost = [
        g
        for g in tree.iter(f"{SVG}g")
        if "lost" in (g.get("class") or "").split() and g.find(f"{SVG}title") is not None
    ]
    assert len(lost) == 4
    assert all(any(p.get("class") == "cross" for p in group.iter(f"{SVG}path")) for group in lost)


def test_light_and_dark_are_in_the_file_and_nothing_comes_from_elsewhere():
    text = svg(picture_of(replicated().entries()))
    assert "prefers-color-scheme:dark" in text
    assert text.count("http") == 1


def test_a_picture_that_is_cut_says_so():
    told = ToldTrace()
    for number in range(5):
        told.put(told.request("alice.a", "alice.b", str(number)))
    assert any("the first 3 of 5 messages" in (text or "") for text in texts(tree_of(told, most=3)))
    assert any("no messages" in (text or "") for text in texts(tree_of(ToldTrace())))


@settings(max_examples=50)
@given(st.text(max_size=30), st.binary(max_size=30))
def test_any_text_gives_xml_that_parses(title, ipc):
    told = ToldTrace()
    message = told.request("alice.a", "alice.b")
    message.message.ipc = ipc
    told.put(message)
    tree_of(told, title=title)


def test_two_hundred_messages_keep_the_names_of_the_lanes_at_both_ends():
    told = ToldTrace()
    for number in range(200):
        told.put(told.request("alice.a", "alice.b", str(number)))
    assert texts(tree_of(told)).count("app:me") == 4
