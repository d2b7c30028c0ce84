"""Where the password of a node comes from. Nothing is asked without a terminal on stdin."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from getpass import getpass

import attrs

from runtime.command_error import CommandError

_BY_VARIABLE = "NECTAR_PASSWORD=... nectar boot --password-env NECTAR_PASSWORD"


@attrs.frozen
class GivenPassword:
    """The one of `nectar dev`."""

    text: str = attrs.field(repr=False)

    def read(self, *, first_boot: bool) -> str:
        return self.text


@attrs.frozen
class PasswordVariable:
    """In an environment variable, which is removed from the environment when it is read."""

    name: str

    def read(self, *, first_boot: bool) -> str:
        """Raises `CommandError` when it is not set, or empty."""
        found = os.environ.pop(self.name, None)
        if not found:
            problem = f"the environment variable {self.name} holds no password: it is {_state(found)}"
            raise CommandError(problem, f"{self.name}=... nectar boot --password-env {self.name}")
        return found


def _state(found: str | None) -> str:
    return "not set" if found is None else "empty"


def has_terminal() -> bool:
    return sys.stdin is not None and sys.stdin.isatty()


@attrs.frozen
class AskedPassword:
    """Typed by a person, twice at the first boot."""

    ask: Callable[[str], str] = getpass
    has_terminal: Callable[[], bool] = has_terminal

    def read(self, *, first_boot: bool) -> str:
        """Raises `CommandError` without a terminal, for nothing typed, or for two different passwords."""
        if not self.has_terminal():
            raise CommandError("there is no terminal to ask for the password on", _BY_VARIABLE)
        try:
            password = self.ask("New password of this node: " if first_boot else "Password: ")
            again = self.ask("The same again: ") if first_boot and password else password
        except EOFError:
            raise CommandError("no password was typed", _BY_VARIABLE) from None
        if not password:
            raise CommandError("no password was typed", "nectar boot, and type one")
        if again != password:
            raise CommandError("the two passwords differ", "nectar boot, and type the same one twice")
        return password


PasswordSource = GivenPassword | PasswordVariable | AskedPassword
