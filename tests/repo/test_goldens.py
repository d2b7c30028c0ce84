"""Every golden line is one that a test compares with."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.support.golden import FOLDER, golden_file

TESTS = Path(__file__).parent.parent


class Mentioned(ast.NodeVisitor):
    """The texts in one file of tests, and the areas of which it takes every line."""

    def __init__(self, file: Path) -> None:
        self.texts: set[str] = set()
        self.whole_areas: set[str] = set()
        self.visit(ast.parse(file.read_text()))

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str):
            self.texts.add(node.value)

    def visit_Call(self, node: ast.Call) -> None:
        if isinstance(node.func, ast.Name) and node.func.id == "golden_file":
            self.whole_areas.update(str(a.value) for a in node.args if isinstance(a, ast.Constant))
        self.generic_visit(node)

    def uses(self, area: str, name: str) -> bool:
        """As `"area/name"`, or with `f"area/{name}"` and a table of names, or with the whole area."""
        put_together = f"{area}/" in self.texts and name in self.texts
        return f"{area}/{name}" in self.texts or put_together or area in self.whole_areas


def test_every_golden_line_is_used():
    tests = [Mentioned(file) for file in TESTS.rglob("*.py")]
    areas = sorted(file.stem for file in FOLDER.glob("*.jsonl"))
    assert areas
    lines = [(area, name) for area in areas for name in golden_file(area)]
    assert [line for line in lines if not any(test.uses(*line) for test in tests)] == []


def test_every_other_golden_file_is_named_by_a_test():
    tests = [Mentioned(file) for file in TESTS.rglob("*.py")]
    others = [file.name for file in FOLDER.iterdir() if file.suffix != ".jsonl"]
    assert [name for name in others if not any(name in test.texts for test in tests)] == []
