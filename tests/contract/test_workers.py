"""What all Workers do, in threads and inline."""

from __future__ import annotations

import pytest
import trio

from runtime.sim.workers import InlineWorkers
from runtime.workers import ThreadWorkers
from sys_processes.devices import Workers

pytestmark = pytest.mark.real_clock


@pytest.fixture(params=["threads", "inline"])
def workers(request: pytest.FixtureRequest) -> Workers:
    return ThreadWorkers() if request.param == "threads" else InlineWorkers()


async def test_work_gets_its_arguments_and_its_result_comes_back(workers: Workers) -> None:
    def work(a: int, *, b: int) -> tuple[int, int]:
        return a, b

    assert await workers.run(work, 1, b=2) == (1, 2)


async def test_what_work_raises_is_raised_at_the_caller(workers: Workers) -> None:
    with pytest.raises(ZeroDivisionError):
        await workers.run(lambda: 1 // 0)


async def test_a_caller_already_cancelled_starts_no_work(workers: Workers) -> None:
    done: list[int] = []
    with trio.CancelScope() as scope:
        scope.cancel()
        await workers.run(done.append, 1)
    assert scope.cancelled_caught
    assert done == []


async def test_work_that_has_begun_is_finished_even_if_its_caller_is_cancelled(workers: Workers) -> None:
    done: list[int] = []

    def work(scope: trio.CancelScope, token: trio.lowlevel.TrioToken) -> int:
        token.run_sync_soon(scope.cancel)
        done.append(1)
        return 1

    with trio.CancelScope() as scope:
        assert await workers.run(work, scope, trio.lowlevel.current_trio_token()) == 1
    assert done == [1]
