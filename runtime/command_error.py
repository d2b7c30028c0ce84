"""What a command says when it does not do its job."""

from __future__ import annotations

FAILED = 1
USAGE = 2


class CommandError(Exception):
    """`problem` says what is wrong, `next_command` what to type next, `code` is the exit code (1 refused, 2 usage)."""

    def __init__(self, problem: str, next_command: str, code: int = FAILED) -> None:
        super().__init__(f"{problem}\ntry: {next_command}")
        self.problem = problem
        self.next_command = next_command
        self.code = code
