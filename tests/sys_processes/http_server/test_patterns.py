"""Patterns of paths: by example, and held against an oracle that tries every way to cut a path."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kernel.address import ProcessId
from sys_processes.http_server.patterns import MOST_CAPTURES, Pattern, Routes

P = ProcessId("p", "k", "u")
Q = ProcessId("q", "k", "u")


def routes(*patterns: str) -> Routes[str]:
    """Each is bound to its own text."""
    found: Routes[str] = Routes()
    for text in patterns:
        found.put(P, Pattern.parse(text), text)
    return found


def winner(found: Routes[str], path: str) -> str | None:
    return found.literals.get(path) or found.best(P, path)


@pytest.mark.parametrize(
    ("pattern", "path", "captured"),
    [
        ("/files/:id", "/files/a.b", {"id": "a.b"}),
        ("/files/:id", "/files/a/b", None),
        ("/files/:id", "/files", None),
        ("/files/:id", "/files/", None),
        ("/files/*rest", "/files/a/b", {"rest": "a/b"}),
        ("/files/*rest", "/files", None),
        ("/files/*rest", "/files/", None),
        ("/:a/x/*b", "/1/x/2/x/3", {"a": "1", "b": "2/x/3"}),
        ("/:name.:ending", "/a.tar.gz", {"name": "a.tar", "ending": "gz"}),
        ("/*a/x/*b", "/1/x/2/x/3", {"a": "1/x/2", "b": "3"}),
        ("/:/*", "/a/b", {}),
        ("/:a/:a", "/1/2", {"a": "2"}),
        ("/a:b/c*d", "/a:b/c*d", {}),
        ("/a:b", "/axb", None),
        ("/:a/b", "/%2F/b", {"a": "%2F"}),
        ("//:a", "//x", {"a": "x"}),
    ],
)
def test_what_a_pattern_matches_and_captures(
    pattern: str, path: str, captured: dict[str, str] | None
) -> None:
    """C-100, C-101."""
    parsed = Pattern.parse(pattern)
    assert (parsed.match(path) is not None) is (captured is not None)
    assert parsed.url_params(path) == (captured or {})


def test_nothing_in_front_of_the_pattern_is_one() -> None:
    pattern = Pattern.parse("/p:k.:u/:id", "/p:k.:u")
    assert pattern.url_params("/p:k.:u/7") == {"id": "7"}
    assert pattern.match("/p:k.x/7") is None


@pytest.mark.parametrize(
    ("bound", "path", "best"),
    [
        (["/files/:id", "/files/new"], "/files/new", "/files/new"),
        (["/*rest", "/:id"], "/x", "/:id"),
        (["/*rest", "/*a/b"], "/x/b", "/*a/b"),
        (["/:name", "/:name.html"], "/index.html", "/:name.html"),
        (["/:a/:b", "/*rest"], "/x/y", "/:a/:b"),
        (["/*a", "/*a/*b"], "/x/y", "/*a/*b"),
        (["/:a/x", "/x/:a"], "/x/x", "/:a/x"),
        (["/x/:a", "/:a/x"], "/x/x", "/x/:a"),
    ],
)
def test_the_pattern_with_most_literal_segments_wins_then_with_most_names_then_the_first(
    bound: list[str], path: str, best: str
) -> None:
    """C-102."""
    assert winner(routes(*bound), path) == best


def test_patterns_that_differ_in_names_only_are_one_and_the_later_names_count() -> None:
    found = routes("/:a/x", "/x/:b")
    found.put(P, Pattern.parse("/:c/x"), "again")
    assert winner(found, "/x/x") == "again"
    found.remove(P, Pattern.parse("/:d/x"))
    assert winner(found, "/y/x") is None
    assert winner(found, "/x/x") == "/x/:b"


def test_a_star_and_a_name_are_two_patterns() -> None:
    assert winner(routes("/:a", "/*a"), "/x/y") == "/*a"


def test_the_patterns_of_a_process_are_dropped_at_once_and_those_of_others_stay() -> None:
    found = routes("/a", "/:b")
    found.put(Q, Pattern.parse("/:b"), "other")
    assert found.drop(P)
    assert not found.drop(P)
    assert found.literals == {}
    assert (found.best(P, "/x"), found.best(Q, "/x")) == (None, "other")


def test_what_is_not_bound_may_be_removed_and_touches_nothing() -> None:
    found = routes("/a", "/:b")
    for process, text in ((P, "/b"), (P, "/*b"), (Q, "/a"), (Q, "/:b")):
        found.remove(process, Pattern.parse(text))
    assert (winner(found, "/a"), winner(found, "/x")) == ("/a", "/:b")
    for text in ("/a", "/:b"):
        found.remove(P, Pattern.parse(text))
    assert not found.drop(P)


def test_a_hostile_path_costs_no_more_than_its_length() -> None:
    """Tried one after the other, the ways to cut this path would outlast the universe."""
    pattern = Pattern.parse("/*a" * MOST_CAPTURES + "/z")
    assert pattern.match("/a" * 1000) is None
    assert Pattern.parse(":a." * MOST_CAPTURES + "z").match("a." * 1000) is None


# -- the oracle

SEGMENTS = st.sampled_from(["a", "b", "", ":x", ":", "*y", "*", "ab", ":z"])
PATTERNS = st.lists(st.tuples(st.sampled_from("//."), SEGMENTS), min_size=1, max_size=4).map(
    lambda parts: "".join(separator + segment for separator, segment in parts)
)
PATHS = st.lists(st.sampled_from(["/", ".", "a", "b", "ab", "/a"]), max_size=7).map(
    lambda parts: "/" + "".join(parts)
)


def pieces(pattern: str) -> list[str]:
    """Separators and segments, one after the other."""
    found = [""]
    for character in pattern:
        if character in "/.":
            found += [character, ""]
        else:
            found[-1] += character
    return found


def cuts(parts: list[str], path: str) -> Iterator[list[str]]:
    """Every way in which the parts can make up the path, the longest beginning first: what each capture takes."""
    if not parts:
        if not path:
            yield []
        return
    first, rest = parts[0], parts[1:]
    if first[:1] in {":", "*"}:
        for size in range(len(path), 0, -1):
            taken = path[:size]
            if first[0] == "*" or "/" not in taken:
                yield from ([taken, *more] for more in cuts(rest, path[size:]))
    elif path.startswith(first):
        yield from cuts(rest, path[len(first) :])


def oracle(bound: list[str], path: str) -> tuple[str, list[str]] | None:
    """The winner's shape and its captures; of patterns that are one in shape the place of the first counts."""
    best = None
    for pattern in dict.fromkeys("".join(part[:1] if part[:1] in {":", "*"} else part for part in pieces(each))
                                 for each in bound):  # fmt: skip
        segments = pieces(pattern)[::2]
        score = (
            sum(segment not in {":", "*"} for segment in segments),
            segments.count(":"),
            segments.count("*"),
        )
        found = next(cuts(pieces(pattern), path), None)
        if found is not None and (best is None or score > best[0]):
            best = score, pattern, found
    return None if best is None else best[1:]


@settings(max_examples=500)
@given(st.lists(PATTERNS, min_size=1, max_size=5), PATHS)
@example(["/:x.:z", "/*y"], "/a.b.a")
def test_the_winner_and_its_captures_are_those_of_the_oracle(bound: list[str], path: str) -> None:
    """C-100, C-101, C-102."""
    expected = oracle(bound, path)
    found: Routes[Pattern] = Routes()
    for text in bound:
        pattern = Pattern.parse(text)
        found.put(P, pattern, pattern)
    best = found.literals.get(path) or found.best(P, path)
    if expected is None:
        assert best is None
        return
    assert best is not None
    shape, captured = expected
    assert best.key == shape
    assert best.text == [text for text in bound if Pattern.parse(text).key == shape][-1]
    assert best.match(path) == tuple(captured)


@given(st.lists(PATTERNS, max_size=6), st.lists(st.tuples(st.booleans(), PATTERNS), max_size=6), PATHS)
def test_binding_and_unbinding_leave_what_was_bound_last(
    bound: list[str], changes: list[tuple[bool, str]], path: str
) -> None:
    found = routes(*bound)
    left = {Pattern.parse(text).key: text for text in bound}
    for bind, text in changes:
        pattern = Pattern.parse(text)
        if bind:
            found.put(P, pattern, text)
            left[pattern.key] = text
        else:
            found.remove(P, pattern)
            left.pop(pattern.key, None)
    assert winner(found, path) == winner(routes(*left.values()), path)
