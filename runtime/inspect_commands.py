"""What `nectar top`, `caps` and `trace --dropped` do: looks into a running node through its kernel."""

from __future__ import annotations

import os
import select
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

import attrs

from kernel.address import Address, ProcessId
from kernel.capability import MESSAGING, NETWORK
from kernel.debug import (
    AskDeadLetters,
    AskMayMessage,
    AskTimeUsed,
    BuriedMessage,
    DeadLettersAre,
    MayMessageIs,
    TimeUsedIs,
)
from kernel.jsontext import dump
from kernel.protocol import AskProcessMap, ProcessMapIs, ProcessRecord, ProcessStatus
from runtime.cli_words import write
from runtime.command_error import FAILED, CommandError
from runtime.kernel_call import look, processes_of
from runtime.rpc_client import NodeDoor
from runtime.table import Cell, as_table

_TOP_COLUMNS = ("id", "state", "mailbox", "bytes", "per_second", "busy", "restarts", "last_error")
_MEASURED_ON = 5
"""Seconds after the next look that is due: nobody looks any more when it does not come."""
_CLEAR = "\x1b[H\x1b[2J"

# -- top


def top(door: NodeDoor, *, every: int, once: bool, as_json: bool) -> None:
    """Until `q` or Ctrl-C at a terminal. Raises `CommandError`."""
    before = _look_at(door, every)
    if once or as_json or not (sys.stdout.isatty() and sys.stdin.isatty()):
        time.sleep(1.0)
        rows = _rows(before, _look_at(door, 0))
        write(dump(rows).decode() if as_json else as_table(_TOP_COLUMNS, [_as_cells(row) for row in rows]))
        return
    with _keys() as pressed:
        while not pressed(every):
            after = _look_at(door, every)
            _show(door, sorted(_rows(before, after), key=_by_load))
            before = after


@attrs.frozen
class _Look:
    processes: tuple[ProcessStatus, ...]
    times: TimeUsedIs


def _look_at(door: NodeDoor, again_in: int) -> _Look:
    """The node measures how long its processes run until the next look."""
    # The times last: their clock is that of both.
    processes = processes_of(door)
    return _Look(processes, look(door, AskTimeUsed(again_in + _MEASURED_ON), TimeUsedIs))


def _rows(before: _Look, after: _Look) -> list[dict[str, Cell]]:
    known = {process.id: process.received for process in before.processes}
    seconds = max(after.times.at - before.times.at, 0.001)
    rows: list[dict[str, Cell]] = []
    for process in after.processes:
        # Fewer than before: it was started anew.
        more = max(0, process.received - known.get(process.id, 0))
        used = after.times.processes.get(process.id, 0.0) - before.times.processes.get(process.id, 0.0)
        rows.append({
            "id": str(process.id),
            "state": process.state.value,
            "mailbox": process.mailbox,
            "bytes": process.bytes,
            "received": process.received,
            "per_second": round(more / seconds, 1),
            "busy": round(used / seconds, 4),
            "restarts": process.restarts,
            "last_error": process.last_error,
        })  # fmt: skip
    return rows


def _as_cells(row: dict[str, Cell]) -> dict[str, Cell]:
    busy = row["busy"]
    assert isinstance(busy, float)
    return row | {"busy": f"{busy:.1%}"}


def _by_load(row: dict[str, Cell]) -> tuple[float, int]:
    rate, waiting = row["per_second"], row["mailbox"]
    assert isinstance(rate, float)
    assert isinstance(waiting, int)
    return -rate, -waiting


def _show(door: NodeDoor, rows: Sequence[dict[str, Cell]]) -> None:
    size = shutil.get_terminal_size()
    total = sum(row["per_second"] for row in rows if isinstance(row["per_second"], float))
    lines = [f"{door.url}: {len(rows)} processes, {total:.0f} messages a second; q ends this", ""]
    lines += as_table(_TOP_COLUMNS, [_as_cells(row) for row in rows]).splitlines()
    sys.stdout.write(_CLEAR + "\r\n".join(line[: size.columns] for line in lines[: size.lines - 1]))
    sys.stdout.flush()


@contextmanager
def _keys() -> Iterator[_Pressed]:
    """The terminal gives each key as it is pressed, and is as before afterwards."""
    import termios  # noqa: PLC0415 - not on every platform, and only a terminal needs it
    import tty  # noqa: PLC0415

    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    try:
        tty.setcbreak(descriptor)
        yield _Pressed(descriptor)
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
        sys.stdout.write("\n")


@attrs.frozen
class _Pressed:
    descriptor: int

    def __call__(self, seconds: float) -> bool:
        """Whether somebody wants to end it, within that time."""
        ready, _, _ = select.select([self.descriptor], [], [], seconds)
        return bool(ready) and os.read(self.descriptor, 1) in (b"q", b"Q", b"\x04", b"")


# -- capabilities


def show_capabilities(door: NodeDoor, wanted: ProcessId | None, *, as_json: bool) -> None:
    """Of one process or of all. Raises `CommandError`."""
    found = look(door, AskProcessMap(), ProcessMapIs).processes
    if wanted is not None and wanted not in found:
        raise CommandError(f"there is no process {wanted}", "nectar ps")
    shown = {pid: record for pid, record in found.items() if wanted in (None, pid)}
    if as_json:
        write(dump([_caps_as_json(pid, record) for pid, record in shown.items()]).decode())
        return
    rows = [row for pid, record in shown.items() for row in _caps_rows(pid, record)]
    write(as_table(("process", "who_may_message_it", "may"), rows))


def _caps_as_json(pid: ProcessId, record: ProcessRecord) -> dict[str, object]:
    held = [{"issuer": str(one.issuer), "params": one.params} for one in record.capabilities]
    return {"id": str(pid), "public": record.public, "capabilities": held}


def _caps_rows(pid: ProcessId, record: ProcessRecord) -> list[dict[str, Cell]]:
    """One for each capability; the process is named in the first."""
    may = [_may(one.issuer, one.params) for one in record.capabilities if one.issuer.process != pid]
    who = "everybody" if record.public else "who holds it"
    return [
        {"process": "" if number else str(pid), "who_may_message_it": "" if number else who, "may": text}
        for number, text in enumerate(may or ["message public processes only"])
    ]


def _may(issuer: Address, params: str) -> str:
    if params == MESSAGING:
        return f"message {issuer.process}"
    return "talk to other nodes" if params == NETWORK else f"{params} of {issuer.process}"


def explain(door: NodeDoor, source: ProcessId, target: ProcessId, *, as_json: bool) -> int:
    """The exit code: 0 when it may, 1 when not. Raises `CommandError`."""
    found = look(door, AskMayMessage(source, target), MayMessageIs)
    if as_json:
        write(dump({"allowed": found.allowed, "why": found.why}).decode())
    else:
        write(f"{source} {'may' if found.allowed else 'may not'} message {target}: {found.why}")
    return 0 if found.allowed else FAILED


# -- dead letters


def show_dropped(door: NodeDoor, *, as_json: bool) -> None:
    """Raises `CommandError`."""
    found = look(door, AskDeadLetters(), DeadLettersAre)
    if as_json:
        letters = [attrs.asdict(letter) | {"to": str(letter.to)} for letter in found.letters]
        write(dump({"total": found.total, "letters": letters}).decode())
    elif not found.total:
        write("nothing was dropped")
    else:
        rows = [_letter(letter) for letter in found.letters]
        write(as_table(("at", "from", "to", "why", "ipc"), rows))
        if found.total > len(rows):
            write(f"{found.total} in all; these are the last {len(rows)}")


def _letter(letter: BuriedMessage) -> dict[str, Cell]:
    message = letter.message
    return {
        "at": clock(letter.at),
        "from": message.source,
        "to": message.target,
        "why": letter.why,
        "ipc": f"{message.ipc:.60}",
    }


def clock(seconds: float) -> str:
    """The time of day, UTC, as logs show it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%H:%M:%S.%f")[:-3]
