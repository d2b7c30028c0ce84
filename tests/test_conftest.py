"""The trio hook of conftest."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import run_on_trio


async def test_virtual_time_passes_at_once() -> None:
    before = trio.current_time()
    await trio.sleep(3600)
    assert trio.current_time() - before == 3600


@pytest.mark.real_clock
async def test_a_marked_test_runs_on_the_real_clock() -> None:
    before = trio.current_time()
    await trio.sleep(0.001)
    assert 0.001 <= trio.current_time() - before < 60


async def test_fixtures_reach_async_tests(tmp_path: Path) -> None:
    assert await trio.Path(tmp_path).is_dir()


@given(st.integers(0, 1000))
async def test_given_works_on_async_tests(seconds: int) -> None:
    before = trio.current_time()
    await trio.sleep(seconds)
    assert trio.current_time() - before == seconds


@pytest.mark.parametrize("number", [1, 2])
class TestInAClass:
    async def test_methods_are_run_too(self, number: int) -> None:
        await trio.lowlevel.checkpoint()
        assert number in (1, 2)

    @given(st.booleans())
    async def test_given_methods_are_run_too(self, number: int, flag: bool) -> None:
        await trio.lowlevel.checkpoint()
        assert isinstance(flag, bool)
        assert number in (1, 2)


def test_a_deadlocked_test_fails_at_once() -> None:
    with pytest.raises(trio.TooSlowError):
        run_on_trio(trio.sleep_forever, real_clock=False)()


def test_a_failing_async_test_fails() -> None:
    async def failing() -> None:
        raise LookupError("told")

    with pytest.raises(LookupError, match="told"):
        run_on_trio(failing, real_clock=False)()
