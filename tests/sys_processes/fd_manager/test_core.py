from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.address import ProcessId
from sys_processes.fd_manager.core import MOST_SHARED, RESERVED, BadUpdate, Shares
from sys_processes.fd_manager.protocol import (
    FdManagerUpdate,
    ShareStanding,
    UpdateCullFractionDenominator,
    UpdateMaxFdsAsFractionOfUlimitPercentage,
    UpdateUpdateUlimitSecs,
)

KV, SQLITE, OTHER = (ProcessId(name, "sys", "nectar") for name in ("kv", "sqlite", "other"))
PLENTY = 1 << 20


def two() -> Shares:
    shares = Shares()
    assert shares.add(KV)
    assert shares.add(SQLITE)
    return shares


def test_without_any_hit_all_have_alike() -> None:
    assert two().spread(PLENTY, 0) == {KV: 90, SQLITE: 90}


def test_the_budget_is_a_part_of_what_is_allowed_less_a_reserve() -> None:
    assert two().spread(200, 0) == {KV: 75, SQLITE: 75}


def test_half_of_it_goes_by_hits() -> None:
    shares = two()
    for minute, process in enumerate((KV, KV, KV, SQLITE)):
        shares.hit(process, 60.0 * minute)
    assert shares.spread(PLENTY, 0) == {KV: 45 + 67, SQLITE: 45 + 22}
    assert shares.standings() == {KV: ShareStanding(112, 3), SQLITE: ShareStanding(67, 1)}


def test_they_are_listed_by_name_whoever_came_first() -> None:
    shares = Shares()
    for process in (SQLITE, OTHER, KV):
        shares.add(process)
    assert list(shares.standings()) == [KV, OTHER, SQLITE]


def test_only_what_has_changed_is_told() -> None:
    shares = two()
    shares.spread(PLENTY, 0)
    assert shares.spread(PLENTY, 0) == {}
    shares.add(OTHER)
    assert shares.spread(PLENTY, 0) == {KV: 60, SQLITE: 60, OTHER: 60}
    shares.forget(OTHER)
    assert shares.limit_of(OTHER) is None
    assert shares.spread(PLENTY, 0) == {KV: 90, SQLITE: 90}


def test_who_has_a_share_keeps_its_hits_when_it_asks_again() -> None:
    shares = two()
    shares.hit(KV, 0)
    assert not shares.add(KV)
    assert shares.standings()[KV].hit_count == 1


def test_a_hit_of_a_stranger_gives_it_a_share() -> None:
    shares = two()
    shares.hit(OTHER, 0)
    assert shares.spread(PLENTY, 0)[OTHER] == 30 + 90


def test_a_later_era_s_name_means_the_same_process() -> None:
    shares = two()
    shares.spread(PLENTY, 0)
    assert shares.limit_of(ProcessId("kv", "distro", "sys")) == 90
    assert shares.limit_of(ProcessId("vfs", "distro", "sys")) is None


def test_of_the_hits_of_a_minute_one_counts() -> None:
    shares = two()
    counted = [now for now in (0, 1, 59.9, 60, 61, 119.9) if shares.hit(KV, now)]
    assert counted == [0, 60]
    assert shares.standings()[KV].hit_count == 2


def test_while_files_are_scarce_each_share_is_smaller() -> None:
    shares = two()
    assert shares.spread(1000, 1000 - RESERVED) == {KV: 90, SQLITE: 90}
    assert shares.spread(1000, 1001 - RESERVED) == {KV: 45, SQLITE: 45}
    shares.update(UpdateCullFractionDenominator(3))
    assert shares.spread(1000, 2000) == {KV: 60, SQLITE: 60}
    assert shares.spread(1000, 0) == {KV: 90, SQLITE: 90}


def test_the_part_of_what_is_allowed_can_be_changed() -> None:
    shares = two()
    shares.update(UpdateMaxFdsAsFractionOfUlimitPercentage(50))
    assert shares.spread(200, 0) == {KV: 35, SQLITE: 35}


@pytest.mark.parametrize(
    ("update", "problem"),
    [
        (UpdateMaxFdsAsFractionOfUlimitPercentage(0), "expected 1 to 100 percent, found 0"),
        (UpdateMaxFdsAsFractionOfUlimitPercentage(101), "found 101"),
        (UpdateUpdateUlimitSecs(0), "expected 1 to 4294967296 seconds, found 0"),
        (UpdateUpdateUlimitSecs(10**30), "seconds"),
        (UpdateCullFractionDenominator(-1), "parts, found -1"),
    ],
)
def test_a_setting_out_of_its_range_changes_nothing(update: FdManagerUpdate, problem: str) -> None:
    shares = two()
    before = shares.spread(200, 195)
    with pytest.raises(BadUpdate, match=problem):
        shares.update(update)
    assert before
    assert shares.spread(200, 195) == {}
    assert shares.update_seconds == 3600


@given(
    st.lists(st.integers(0, 50), min_size=1, max_size=300), st.integers(0, 5000), st.integers(0, 6000),
    st.integers(1, 100), st.integers(1, 20),
)  # fmt: skip
def test_everybody_has_one_and_all_together_no_more_than_the_budget(
    hits: list[int], allowed: int, used: int, percentage: int, denominator: int
) -> None:
    shares = Shares()
    shares.update(UpdateMaxFdsAsFractionOfUlimitPercentage(percentage))
    shares.update(UpdateCullFractionDenominator(denominator))
    for number, count in enumerate(hits):
        shares.add(ProcessId(f"p{number}", "sys", "nectar"))
        for minute in range(count):
            shares.hit(ProcessId(f"p{number}", "sys", "nectar"), 60.0 * minute)
    limits = list(shares.spread(allowed, used).values())
    assert len(limits) == len(hits)
    assert min(limits) >= 1
    budget = min(MOST_SHARED, max(0, allowed * percentage // 100 - RESERVED))
    assert sum(limit for limit in limits if limit > 1) <= budget
