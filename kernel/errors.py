"""Errors a process gets for its own mistakes. Each says what to write instead."""

from __future__ import annotations

import enum


class KernelError(Exception):
    """Base of what the kernel raises at a caller."""


class OutsideProcess(KernelError, RuntimeError):
    """A process call was made where no process runs: outside an actor, or from another thread."""


class ProcessEnded(KernelError, RuntimeError):
    """The calling process has ended (or was abandoned after its deadline); nothing it asks is done any more."""


class ReceiveConflict(KernelError, RuntimeError):
    """A second task of the same process tried to receive while one already waits."""


class SelfRequest(KernelError, ValueError):
    """A process awaited an answer from itself, which could never come."""


class NoPromptingMessage(KernelError, RuntimeError):
    """A Response without a Request to respond to."""


class AlreadyResponded(KernelError, RuntimeError):
    """A second Response to the same Request."""


class BadCapability(KernelError, ValueError):
    """A capability that is not ours to save, grant or share: nothing was stored."""


class SpawnErrorKind(enum.StrEnum):
    NameTaken = "NameTaken"
    NoFileAtPath = "NoFileAtPath"
    BadName = "BadName"
    BadProgram = "BadProgram"


class SpawnError(KernelError):
    """No process was made. `.kind`: `NameTaken`, `NoFileAtPath` (PROTOCOL 4.5), or ours: `BadName`, `BadProgram`."""

    def __init__(self, kind: SpawnErrorKind, detail: str) -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind = kind
        self.detail = detail


class ProgramError(KernelError):
    """Code that cannot become a process: `.file` names it, `.problem` says what is wrong, `.fix` what to write."""

    def __init__(self, file: str, problem: str, fix: str) -> None:
        super().__init__(f"{file}: {problem} ({fix})")
        self.file = file
        self.problem = problem
        self.fix = fix


class NoSuchFile(ProgramError):
    """There is no code at that path."""


class StateError(KernelError):
    """The state of a process could not be read or written; `.problem` is the state module's own error."""

    def __init__(self, action: str, problem: str) -> None:
        super().__init__(f"{action}: {problem}")
        self.action = action
        self.problem = problem
