"""Who may import whom: the contracts of pyproject.toml hold (scripts/check), and each is seen to fail on a breach."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PACKAGES = ("kernel", "runtime", "sys_processes", "userland")
TOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
CONTRACTS = {contract["id"]: contract for contract in TOOLS["importlinter"]["contracts"]}

# contract -> a file and the import that it must not have
BREACHES = {
    "stack": ("kernel/address.py", "import runtime.store"),
    "given": ("kernel/message.py", "import time"),
    "trio": ("kernel/routing.py", "import trio"),
    "cores": ("sys_processes/app_store/core.py", "import kernel.syscalls"),
    "strangers": ("sys_processes/timer/process.py", "import sys_processes.vfs.core"),
    "users": ("userland/process_lib/timer.py", "import sys_processes.timer.process"),
    "syscalls": ("sys_processes/state/process.py", "import kernel.router"),
    "cattrs": ("kernel/message.py", "import cattrs"),
    "json": ("sys_processes/state/process.py", "import json"),
    "ciphers": ("sys_processes/http_server/tokens.py", "import cryptography"),
    "hypothesis": ("runtime/store.py", "import hypothesis"),
    "simulator": ("runtime/store.py", "import runtime.sim.store"),
}


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The four packages and their contracts, in a folder of their own."""
    folder = tmp_path_factory.mktemp("layers")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def lint(folder: Path, contract: str) -> subprocess.CompletedProcess[str]:
    command = "from importlinter.cli import import_linter; import_linter()"
    return subprocess.run(
        [sys.executable, "-c", command, "lint", "--no-cache", "--contract", contract],
        cwd=folder, env={"PYTHONPATH": str(folder), "LANG": "C.UTF-8"}, capture_output=True, check=False, text=True,
    )  # fmt: skip


def test_every_contract_has_a_breach_to_prove_it():
    assert sorted(BREACHES) == sorted(CONTRACTS)


@pytest.mark.parametrize("contract", CONTRACTS)
def test_a_breach_of_the_contract_is_found(contract: str, copied: Path):
    path, statement = BREACHES[contract]
    file = copied / path
    original = file.read_text() if file.exists() else None
    file.write_text((original or "") + f"\n{statement}\n")
    try:
        found = lint(copied, contract)
    finally:
        if original is None:
            file.unlink()
        else:
            file.write_text(original)
    assert found.returncode == 1, found.stderr
    assert f"{CONTRACTS[contract]['name']} BROKEN" in found.stdout


def test_a_contract_without_a_breach_is_kept(copied: Path):
    found = lint(copied, "stack")
    assert found.returncode == 0, found.stdout + found.stderr
    assert f"{CONTRACTS['stack']['name']} KEPT" in found.stdout


def test_every_system_process_is_a_stranger_to_the_others():
    folders = [path.name for path in (ROOT / "sys_processes").iterdir() if (path / "__init__.py").is_file()]
    assert sorted(CONTRACTS["strangers"]["modules"]) == sorted(f"sys_processes.{name}" for name in folders)


def test_the_coverage_of_http_server_leaves_out_only_what_may_use_trio():
    waiting = {line.split(" -> ")[0] for line in CONTRACTS["trio"]["ignore_imports"]}
    left_out = [path.removesuffix(".py").replace("/", ".") for path in TOOLS["coverage"]["report"]["omit"]]
    assert [name for name in left_out if name not in waiting] == []
