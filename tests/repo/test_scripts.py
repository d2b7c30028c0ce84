"""The scripts tell what they do before they do it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parent.parent.parent / "scripts"


def said(*command: str) -> subprocess.CompletedProcess[str]:
    name, *words = command
    return subprocess.run(
        [SCRIPTS / name, *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.real_clock
@pytest.mark.parametrize("flag", ["-h", "--help"])
@pytest.mark.parametrize("name", ["browser", "check", "fuzz", "setup", "sim", "test"])
def test_a_script_asked_for_help_does_nothing_else(name: str, flag: str) -> None:
    told = said(name, flag)
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.startswith(f"scripts/{name}")
    assert "set -euo" not in told.stdout


@pytest.mark.real_clock
@pytest.mark.parametrize("extra", ["nonsense", "--dev", "de.", "name"])
def test_setup_names_an_extra_that_there_is_not(extra: str) -> None:
    told = said("setup", extra)
    assert (told.returncode, told.stdout) == (2, "")
    assert f'no extra "{extra}"' in told.stderr
