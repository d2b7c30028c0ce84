from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.sim.scenarios.table import BadScenario, Table, read_toml


def table(text: str) -> Table:
    return Table("s.toml", "$", read_toml("s.toml", text.encode()))


def refused(text: str, read: Callable[[Table], object]) -> str:
    with pytest.raises(BadScenario) as caught:
        read(table(text))
    return str(caught.value)


def test_values_are_read_as_they_are_meant():
    found = table('a = "x"\nb = true\nc = 2\nd = 0.5\ne = 7\nf = ["x", "y"]\ng = [1, 2.5]\nh = [1, 3]\ni = 4')
    assert found.text("a") == "x"
    assert found.flag("b", default=False) is True
    assert (found.number("c"), found.probability("d"), found.whole("e")) == (2.0, 0.5, 7)
    assert (found.texts("f"), found.texts("a"), found.numbers("g"), found.numbers("i")) == (
        ("x", "y"),
        ("x",),
        (1.0, 2.5),
        (4.0,),
    )
    assert (found.span("h"), found.span("i")) == ((1.0, 3.0), (4.0, 4.0))
    found.end()


def test_what_is_missing_has_its_default():
    found = table("")
    assert (found.text("a", "x"), found.whole("b", 3), found.texts("c", ())) == ("x", 3, ())
    assert list(found.tables("d")) == []
    assert found.table("e").text("f", "y") == "y"


@pytest.mark.parametrize(
    ("text", "read", "said"),
    [
        ("", lambda t: t.text("a"), 's.toml $.a: missing, expected text; write a = "..."'),
        ("a = 1", lambda t: t.text("a"), "$.a: expected text, found 1"),
        ("a = true", lambda t: t.number("a"), "$.a: expected a number from 0 on, found True"),
        ("a = nan", lambda t: t.number("a"), "found nan"),
        ("a = -1", lambda t: t.whole("a"), "$.a: expected a whole number from 0 on, found -1"),
        ("a = 1.0", lambda t: t.whole("a"), "found 1.0"),
        ("a = 1.5", lambda t: t.probability("a"), "expected a number from 0 to 1, found 1.5"),
        ("a = 1", lambda t: t.flag("a", default=True), "expected true or false, found 1"),
        ("a = [2, 1]", lambda t: t.span("a"), "expected seconds, or the least and the most of them"),
        ("a = inf", lambda t: t.span("a"), "found inf"),
        ('a = ["x", 1]', lambda t: t.texts("a"), "expected text, or a list of texts"),
        ("a = [-1]", lambda t: t.numbers("a"), "expected seconds, or a list of them"),
        ('a = "crush"', lambda t: t.one_of("a", ["crash", "cut"]), "'crush' is not known; write \"crash\""),
        ('a = "?"', lambda t: t.one_of("a", ["crash", "cut"]), "there are crash, cut"),
        ("a = 1", lambda t: list(t.tables("a")), "expected tables, found 1; write [[a]]"),
        ("a = 1", lambda t: t.table("a"), "expected a table, found 1"),
        ("", lambda t: t.table("a", needed=True), "$.a: missing, expected a table"),
        ('a = "$x"', lambda t: t.template("a", ["n"]), "$x stands for nothing; there are $n, and $$ for a $"),
        ('a = "5 $"', lambda t: t.template("a", ["n"]), "a $ that begins no name stands for nothing"),
    ],
)
def test_what_cannot_be_is_refused_with_its_place_and_what_to_write(text, read, said):
    assert said in refused(text, read)


def test_a_key_that_means_nothing_is_refused_with_the_nearest_one():
    def read(found: Table) -> None:
        found.span("lasts", (1.0, 1.0))
        found.end()

    assert refused("last = 1", read) == "s.toml $.last: means nothing here; write lasts"
    assert refused("x = 1", read) == "s.toml $.x: means nothing here; there are lasts"


def test_the_path_leads_through_tables_in_lists():
    def read(found: Table) -> None:
        for phase in found.tables("phase"):
            for fault in phase.tables("fault"):
                fault.text("kind")

    text = '[[phase]]\n[[phase]]\n[[phase.fault]]\nkind = "cut"\n[[phase.fault]]\nkind = 3'
    assert refused(text, read).startswith("s.toml $.phase[1].fault[1].kind: expected text, found 3")


def test_text_that_is_no_toml_is_refused():
    with pytest.raises(BadScenario, match="no TOML"):
        read_toml("s.toml", b"a = ")
    with pytest.raises(BadScenario, match="no TOML"):
        read_toml("s.toml", b"\xff")


@given(st.binary(max_size=60))
def test_whatever_a_file_holds_it_is_read_or_refused(raw):
    with suppress(BadScenario):
        read_toml("s.toml", raw)
