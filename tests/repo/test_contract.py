"""Every numbered statement about a node that is offered is proven by a test that names its number in a docstring."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
TESTS = [*(ROOT / "tests").rglob("test_*.py"), *(ROOT / "userland" / "apps").rglob("test_*.py")]
NUMBER = re.compile(r"\bC-(\d{3})\b")

# Identifiers 1-12, messages 13-22, routing 23-56, capabilities 57-83, HTTP 84-119, WebSocket 120-146, modules 147-172.
NUMBERED = range(1, 173)


def named_in(tree: ast.AST) -> Iterator[int]:
    """The numbers in docstrings of test functions, and in the texts that stand below a table of their cases."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            yield from numbers(ast.get_docstring(node) or "")
        elif isinstance(node, ast.ClassDef):
            yield from numbers(ast.get_docstring(node) or "")
            yield from named_in(node)
    body = getattr(tree, "body", [])
    for before, node in pairwise(body):
        table = isinstance(before, ast.Assign | ast.AnnAssign)
        if table and isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield from numbers(str(node.value.value))


def numbers(text: str) -> list[int]:
    return [int(found) for found in NUMBER.findall(text)]


@cache
def all_named() -> frozenset[int]:
    return frozenset(number for file in TESTS for number in named_in(ast.parse(file.read_text())))


def test_every_statement_that_holds_is_named_by_a_test():
    assert [f"C-{number:03}" for number in sorted(set(NUMBERED) - all_named())] == []


def test_no_test_names_a_statement_that_does_not_hold_or_does_not_exist():
    assert [f"C-{number:03}" for number in sorted(all_named() - set(NUMBERED))] == []
