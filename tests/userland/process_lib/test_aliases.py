"""One table, three places that must agree with it: run time, type checker, public surface."""

from __future__ import annotations

import ast
import inspect
from types import ModuleType

import pytest

from userland import process_lib
from userland.process_lib import (
    Request,
    Response,
    _aliases,
    _builders,
    _capabilities,
    _on_exit,
    _process,
    wit,
)

FUNCTIONS_AND_VALUES = _aliases.FUNCTIONS | _aliases.VALUES


@pytest.mark.parametrize("later", _aliases.METHODS)
@pytest.mark.parametrize("builder", [Request, Response])
def test_a_builder_offers_every_later_name_of_a_method(builder, later):
    assert getattr(builder, later) is getattr(builder, _aliases.METHODS[later])


@pytest.mark.parametrize("later", FUNCTIONS_AND_VALUES)
def test_the_package_offers_every_later_name(later):
    assert getattr(process_lib, later) is getattr(process_lib, FUNCTIONS_AND_VALUES[later])
    assert later in process_lib.__all__


def _stubs(module: ModuleType) -> dict[str, str]:
    """What the `TYPE_CHECKING` blocks of a module tell a type checker: alias -> name."""
    found: dict[str, str] = {}
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            for statement in node.body:
                if isinstance(statement, ast.Assign):
                    target, value = statement.targets[0], statement.value
                    assert isinstance(target, ast.Name)
                    assert isinstance(value, ast.Name)
                    found[target.id] = value.id
    return found


def test_a_type_checker_sees_the_methods_of_the_table():
    assert _stubs(_builders) == _aliases.METHODS


def test_a_type_checker_sees_the_functions_and_values_of_the_table():
    seen: dict[str, str] = {}
    for module in (_process, _capabilities, _on_exit, wit):
        seen |= _stubs(module)
    assert seen == FUNCTIONS_AND_VALUES


def test_no_later_name_is_also_a_name_of_its_own():
    names = [*_aliases.METHODS, *FUNCTIONS_AND_VALUES]
    assert len(names) == len(set(names))
    assert not set(names) & {*_aliases.METHODS.values(), *FUNCTIONS_AND_VALUES.values()}
