"""No line crosses a label, whatever is drawn."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.sim.pictures.compose import picture_of
from runtime.sim.pictures.layout import Layout, text_width
from runtime.sim.pictures.model import ArrowKind
from tests.support.told_trace import ToldTrace

PROCESSES = ["alice.a", "alice.b", "bob.c", "carol.d"]
messages = st.lists(
    st.tuples(
        st.sampled_from(PROCESSES), st.sampled_from(PROCESSES), st.text(max_size=60), st.integers(0, 6)
    ),
    min_size=1,
    max_size=25,
)


def told_of(messages):
    told, flying = ToldTrace(), []
    for source, target, ipc, wait in messages:
        told.at += wait / 3
        message = told.request(source, target, ipc.encode("utf-8", "replace").decode())
        if source.split(".")[0] == target.split(".")[0]:
            told.put(message)
            continue
        told.depart(message)
        flying.append(message)
        if wait > 1:
            told.put(flying.pop(0))
    return told


@settings(max_examples=40)
@given(messages)
def test_labels_stand_between_their_lanes_and_clear_of_every_track(messages):
    picture = picture_of(told_of(messages).entries())
    at = Layout(picture)
    tracks = {n: at.track(n) for n, a in enumerate(picture.arrows) if a.first != a.last}
    for arrow in picture.arrows:
        gap = at.label_gap(arrow)
        left = at.lanes[gap]
        right = at.lanes[gap + 1] if gap + 1 < len(at.lanes) else at.width
        width = text_width(arrow.label)
        assert left + width < right
        gutter = at.gutter(arrow.source, "left" if gap < arrow.source else "right")
        assert arrow.kind is not ArrowKind.ERROR
        start = at.lanes[arrow.source] + (gutter if gap == arrow.source else -gutter - width)
        for track in tracks.values():
            assert not start < track < start + width


@given(messages)
def test_rows_follow_each_other_and_lie_within_the_picture(messages):
    picture = picture_of(told_of(messages).entries())
    at = Layout(picture)
    tops = [at.rect(row) for row in range(len(picture.rows))]
    assert all(top + height <= following[0] for (top, height), following in pairwise(tops))
    assert tops[-1][0] + tops[-1][1] <= at.bottom <= at.height
    assert at.lanes == sorted(at.lanes)
    assert at.lanes[-1] < at.width


def test_arrows_that_are_under_way_together_have_tracks_of_their_own():
    told = ToldTrace()
    sent = [told.request("alice.a", "bob.b", str(number)) for number in range(4)]
    for message in sent:
        told.depart(message)
    for message in sent:
        told.put(message)
    picture = picture_of(told.entries())
    at = Layout(picture)
    assert len({at.track(number) for number in range(4)}) == 4


def test_wide_characters_take_their_room():
    assert text_width("東京") == text_width("abcd")
