"""A few of the kills of which `scripts/torture` does hundreds."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.torture import Lost, Torture, torture


def test_every_acknowledged_write_survives_kill_9(tmp_path: Path):
    """C-081."""
    done = torture(tmp_path, kills=4, seed=7)
    assert all(writer.acknowledged > 0 for writer in done.writers)


def test_the_torture_notices_a_state_that_went_back_in_time(tmp_path: Path):
    done = Torture(tmp_path, 7)
    done.round()
    done.writers[0].acknowledged += 2
    done.writers[0].sent += 2
    with pytest.raises(Lost, match="was acknowledged"):
        done.last_look()
