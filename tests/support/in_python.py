"""A script in an interpreter of its own, for what would spoil this one."""

from __future__ import annotations

import subprocess
import sys

from tests.support.live_process import ROOT


def said_by(script: str, *arguments: object) -> str:
    """What it prints. It must end well."""
    command = [sys.executable, "-c", script, *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
