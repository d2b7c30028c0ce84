"""`async def` tests run under trio: on virtual time, or on the real clock when marked `real_clock`."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Iterator

import pytest
import trio
import trio.testing
from hypothesis import HealthCheck, settings

# The same examples every run, judged by what happens and never by how long it takes.
settings.register_profile(
    "fixed", derandomize=True, database=None, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("fixed")

# Virtual: a test in which everything waits for ever fails at once instead of hanging.
VIRTUAL_SECONDS = 1_000_000.0
REAL_SECONDS = 20.0


@pytest.fixture(scope="session", autouse=True)
def local_directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nodes of the tests never meet those of whoever runs them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NECTAR_LOCAL_DIRECTORY", str(tmp_path_factory.mktemp("local")))
        yield


def run_on_trio(test: Callable[..., Awaitable[None]], *, real_clock: bool) -> Callable[..., None]:
    """The async test as a plain function that raises `trio.TooSlowError` at its time limit."""

    async def limited(call: Callable[[], Awaitable[None]], seconds: float) -> None:
        with trio.fail_after(seconds):
            await call()

    @functools.wraps(test)
    def run(*args: object, **kwargs: object) -> None:
        call = functools.partial(test, *args, **kwargs)
        if real_clock:
            trio.run(limited, call, REAL_SECONDS)
        else:
            clock = trio.testing.MockClock(autojump_threshold=0)
            trio.run(limited, call, VIRTUAL_SECONDS, clock=clock)

    return run


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    real_clock = pyfuncitem.get_closest_marker("real_clock") is not None
    given = getattr(pyfuncitem.obj, "hypothesis", None)
    if given is not None:
        if inspect.iscoroutinefunction(given.inner_test):
            given.inner_test = run_on_trio(given.inner_test, real_clock=real_clock)
        return None
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    wanted = pyfuncitem._fixtureinfo.argnames
    arguments = {name: pyfuncitem.funcargs[name] for name in wanted}
    run_on_trio(pyfuncitem.obj, real_clock=real_clock)(**arguments)
    return True
