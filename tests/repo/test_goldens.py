"""Every golden line is one that a test compares with."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.support.golden import FOLDER, golden_file

TESTS = Path(__file__).parent.parent


class Mentioned(ast.NodeVisitor):
    """All texts in the tests, and the areas of which a test takes every line."""

    def __init__(self) -> None:
        self.texts: set[str] = set()
        self.whole_areas: set[str] = set()
        for file in TESTS.rglob("*.py"):
            self.visit(ast.parse(file.read_text()))

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str):
            self.texts.add(node.value)

    def visit_Call(self, node: ast.Call) -> None:
        if isinstance(node.func, ast.Name) and node.func.id == "golden_file":
            self.whole_areas.update(str(a.value) for a in node.args if isinstance(a, ast.Constant))
        self.generic_visit(node)


def test_every_golden_line_is_used():
    mentioned = Mentioned()
    areas = sorted(file.stem for file in FOLDER.glob("*.jsonl"))
    assert areas
    unused = [
        f"{area}/{name}"
        for area in areas
        if area not in mentioned.whole_areas
        for name in golden_file(area)
        if f"{area}/{name}" not in mentioned.texts
    ]
    assert unused == []


def test_every_other_golden_file_is_named_by_a_test():
    mentioned = Mentioned()
    others = [file.name for file in FOLDER.iterdir() if file.suffix != ".jsonl"]
    assert [name for name in others if name not in mentioned.texts] == []
