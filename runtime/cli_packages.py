"""`nectar start-package` and `remove-package`: the words. What they do is in `runtime.package_commands`."""

from __future__ import annotations

import argparse
from pathlib import Path

from runtime.cli_words import NewCommand, add_door, find_door, text


def add_commands(command: NewCommand) -> None:
    start = command("start-package", "Install a package in a running node, in place of an older version.")
    start.add_argument("folder", metavar="DIR", type=Path, help="the folder that holds pkg/")
    start.add_argument(
        "--yes", action="store_true", help="approve what the package asks for, without a question"
    )
    add_door(start)
    start.set_defaults(does=_start)
    remove = command("remove-package", "Remove a package from a running node, with all that belongs to it.")
    remove.add_argument("package", metavar="ID", type=text, help="package:publisher, or the package's folder")
    add_door(remove)
    remove.set_defaults(does=_remove)


def _start(arguments: argparse.Namespace) -> None:
    from runtime.package_commands import start_package  # noqa: PLC0415

    start_package(find_door(arguments), arguments.folder, yes=arguments.yes, as_json=arguments.json)


def _remove(arguments: argparse.Namespace) -> None:
    from runtime.package_commands import remove_package  # noqa: PLC0415

    remove_package(find_door(arguments), arguments.package, as_json=arguments.json)
