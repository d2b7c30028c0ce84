"""The rules of the house hold, and each of them bites."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from scripts.house_rules import FILE_LINES, FUNCTION_LINES, LONG, violations

ROOT = Path(__file__).parent.parent.parent
LONG_FUNCTION = "def long():\n" + "    print()\n" * FUNCTION_LINES

BREACHES = {
    "a file that is too long": ("kernel/long.py", "\n" * (FILE_LINES + 1), "split it"),
    "a function that is too long": ("kernel/long.py", LONG_FUNCTION, "long has"),
    "a vague file name": ("sys_processes/vfs/_utils.py", "", "'_utils' says nothing"),
    "a vague class name": ("runtime/boot.py", "class BootManager: ...\n", "class BootManager"),
    "unfinished work": ("docs/plan.md", "TO" + "DO: write\n", "is unfinished"),
    "a path of one machine": ("docs/plan.md", "look into /" + "home/ann/nectar\n", "path of one machine"),
    "a registry address": ("pyproject.toml", "url = 'https://" + "pypi." + "org'\n", "package registry"),
    "history in a comment": ("kernel/a.py", "x = 1  #" + " previously 2\n", "tells history"),
    "a docstring that repeats the signature": ("kernel/a.py", '"""Does.\n\n:param x: it\n"""\n', ":param"),
    "a core that waits": ("sys_processes/vfs/core.py", "async def read(): ...\n", "never waits"),
    "the order of a set": ("kernel/a.py", "for x in {1, 2}:\n    print(x)\n", "iterates a set"),
    "the order of a set, named": ("kernel/a.py", "y = [x for x in set('ab')]\n", "iterates a set"),
    "an app with its own clock": ("userland/apps/echo/pkg/echo.py", "import time\n", "imports time"),
    "an app that reaches inside": (
        "userland/apps/echo/pkg/echo.py",
        "from kernel.address import Address\n",
        "imports kernel.address",
    ),
}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    return tmp_path


def test_this_repository_keeps_the_rules_of_the_house():
    assert violations(ROOT) == []


@pytest.mark.parametrize("breach", BREACHES)
def test_the_rules_catch(breach: str, repository: Path):
    path, text, said = BREACHES[breach]
    file = repository / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    found = violations(repository)
    assert len(found) == 1
    assert path in found[0]
    assert said in found[0]


def test_an_app_may_import_process_lib_its_own_files_and_harmless_modules(repository: Path):
    file = repository / "userland/apps/echo/pkg/echo.py"
    file.parent.mkdir(parents=True)
    file.write_text("import json\n\nfrom userland.process_lib import Address, http\n\nfrom . import model\n")
    assert violations(repository) == []


def test_whatever_is_excused_for_its_length_is_there():
    assert [path for path in LONG if not (ROOT / path.partition(":")[0]).is_file()] == []
