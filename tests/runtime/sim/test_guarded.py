"""Half-pure classes of the standard library (their use in packages is tested with the guards)."""

from __future__ import annotations

import datetime as dt
import pathlib
import random
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.sim import guarded
from runtime.sim.escapes import EscapedSimulation, Escapes

DATES: Any = guarded.dates(Escapes())
DATE_TIME, DATE = DATES["datetime"], DATES["date"]


@given(st.datetimes(), st.timedeltas(max_value=dt.timedelta(days=1000), min_value=dt.timedelta(days=-1000)))
def test_dates_reckon_as_the_real_ones(when, delta):
    made = DATE_TIME(*when.timetuple()[:6], when.microsecond, fold=when.fold)
    assert made == when
    assert repr(made) == repr(when)
    assert hash(made) == hash(when)
    assert made.isoformat() == when.isoformat()
    try:
        later = when + delta
    except OverflowError:
        return
    assert made + delta == later
    assert isinstance(made + delta, DATE_TIME)


@given(st.dates())
def test_days_are_as_the_real_ones(day):
    made = DATE(day.year, day.month, day.day)
    assert (made, repr(made), str(made)) == (day, repr(day), str(day))


def test_a_time_with_a_zone_is_converted():
    made = DATE_TIME.fromtimestamp(86400.5, dt.UTC)
    assert made.timestamp() == 86400.5
    zone = dt.timezone(dt.timedelta(hours=2))
    assert made.astimezone(zone).hour == 2


@given(st.integers() | st.text() | st.binary())
def test_a_seeded_generator_draws_as_the_real_one(seed):
    made, real = guarded.generator(Escapes())(seed), random.Random(seed)
    assert [made.random(), made.randint(0, 9), made.gauss(0, 1)] == [
        real.random(),
        real.randint(0, 9),
        real.gauss(0, 1),
    ]
    with pytest.raises(EscapedSimulation, match="without a seed"):
        made.seed()


def test_every_method_of_a_path_that_touches_files_refuses():
    path = guarded.path(Escapes())
    touching = [name for name in dir(pathlib.Path) if name not in dir(pathlib.PurePath)]
    assert {"open", "exists", "read_bytes", "mkdir", "cwd"} <= set(touching)
    for name in touching:
        with pytest.raises(EscapedSimulation, match=f"Path.{name}"):
            getattr(path("x"), name)()


def test_the_clock_formats_a_time_that_is_given():
    clock = guarded.clock(Escapes())
    parts = clock["gmtime"](0)
    assert parts == time.gmtime(0)
    assert clock["asctime"](parts) == time.asctime(parts)
    for name, given_ in (("gmtime", ()), ("asctime", ()), ("strftime", ("%Y",))):
        with pytest.raises(EscapedSimulation):
            clock[name](*given_)
