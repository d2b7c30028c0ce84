"""What is done to a world is undone once."""

from __future__ import annotations

import pytest

from runtime.sim.lasting import Lasting


def test_it_ends_once_by_whatever_name():
    undone: list[str] = []
    forgotten: list[Lasting] = []
    lasting = Lasting(lambda: undone.append("x"), forgotten.append)
    assert not lasting.is_over
    lasting.heal()
    lasting.release()
    lasting.remove()
    lasting.end()
    assert (undone, forgotten, lasting.is_over) == (["x"], [lasting], True)


def test_it_ends_with_its_block_also_when_that_fails():
    undone: list[str] = []
    with pytest.raises(KeyError), Lasting(lambda: undone.append("x")) as lasting:
        raise KeyError
    assert undone == ["x"]
    assert lasting.is_over
