"""`nectar new` and `run-tests`: the words. What they do is in `runtime.scaffold` and `runtime.test_runs`."""

from __future__ import annotations

import argparse
from pathlib import Path

from kernel.address import is_safe
from runtime.cli_words import NewCommand, checked

PUBLISHER = "template.nec"
TESTS = "tests.toml"


def add_commands(command: NewCommand) -> None:
    new = command("new", "Write a package that runs, with its test.")
    new.add_argument("folder", metavar="DIR", type=Path, help="is made; may exist when it is empty")
    new.add_argument(
        "--template", metavar="NAME", required=True, help="echo, chat, fibonacci or file_transfer"
    )
    new.add_argument("--ui", action="store_true", help="with its page for browsers")
    new.add_argument("--package", metavar="NAME", type=_name, help="default: the name of DIR")
    new.add_argument(
        "--publisher", metavar="NAME", type=_name, default=PUBLISHER, help="default: %(default)s"
    )
    new.set_defaults(does=_new)
    tests = command("run-tests", "Run the tests of a package on fresh nodes.")
    tests.add_argument(
        "file", metavar="FILE", type=Path, nargs="?", default=Path(TESTS), help="default: %(default)s"
    )
    tests.add_argument("--json", action="store_true", help="one object for each test, a line each")
    tests.set_defaults(does=_run_tests)


def _new(arguments: argparse.Namespace) -> None:
    from runtime.scaffold import New, write_package  # noqa: PLC0415

    write_package(
        New(arguments.folder, arguments.template, arguments.package, arguments.publisher, arguments.ui)
    )


def _run_tests(arguments: argparse.Namespace) -> int:
    from runtime.test_runs import run_tests  # noqa: PLC0415

    return run_tests(arguments.file, as_json=arguments.json)


def _name(text: str) -> str:
    checked(is_safe(text), f"{text!r} cannot be part of an id: use letters, digits, '_', '-' and '.' only")
    return text
