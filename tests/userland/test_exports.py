"""The public surface of process_lib equals the approved lists in tests/golden/process_lib_exports.txt."""

from __future__ import annotations

import importlib
from importlib import resources
from pathlib import Path

import pytest

GOLDEN = Path(__file__).parent.parent / "golden" / "process_lib_exports.txt"


def _approved() -> dict[str, list[str]]:
    """A line that ends with `:` names a module; the indented lines below it are its names."""
    modules: dict[str, list[str]] = {}
    for line in GOLDEN.read_text("utf-8").splitlines():
        if line.endswith(":"):
            names = modules[line[:-1]] = []
        elif line.strip():
            names.append(line.strip())
    return modules


@pytest.mark.parametrize("name", list(_approved()))
def test_a_module_offers_exactly_the_approved_names(name):
    module = importlib.import_module(name)
    assert sorted(module.__all__) == _approved()[name]
    for each in module.__all__:
        assert hasattr(module, each)


def test_the_names_of_http_are_those_of_the_package_except_two():
    process_lib = importlib.import_module("userland.process_lib")
    http = importlib.import_module("userland.process_lib.http")
    for name in set(http.__all__) - {"send_request", "send_response"}:
        assert getattr(process_lib, name) is getattr(http, name)
    assert process_lib.send_response is not http.send_response


def test_the_package_carries_its_types():
    assert (resources.files("userland.process_lib") / "py.typed").is_file()
