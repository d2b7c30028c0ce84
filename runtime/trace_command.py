"""What `nectar trace` does: events of a running node as text, JSON lines, or a sequence diagram."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs

from kernel.debug import AskTrace, TracedEvent, TraceIs, without_controls
from kernel.events import EventKind
from kernel.jsontext import dump
from runtime.cli_inspect import KEEP
from runtime.cli_words import write
from runtime.command_error import CommandError
from runtime.inspect_commands import clock
from runtime.kernel_call import look
from runtime.rpc_client import NodeDoor

_OF_THE_NODE = "kernel:sys:nectar"
_TOLD = {
    EventKind.HELD.value: "waits for a step",
    EventKind.RETURNED.value: "came back",
    EventKind.DEAD_LETTER.value: "dropped",
    EventKind.EXITED.value: "ended",
    EventKind.CREATED.value: "was made",
}


def show_trace(door: NodeDoor, arguments: argparse.Namespace) -> None:
    """A node that was not traced begins with it, unless told otherwise. Raises `CommandError`."""
    keep = 0 if arguments.off else arguments.keep
    found = look(door, AskTrace(keep), TraceIs)
    if not found.keeps and keep is None:
        found = look(door, AskTrace(KEEP), TraceIs)
    if arguments.jsonl or arguments.json:
        for event in found.events:
            write(dump(attrs.asdict(event)).decode())
    elif arguments.svg is not None or arguments.mermaid:
        _draw(found.events, door, arguments)
    else:
        for line in _lines(found.events, everything=arguments.all):
            # Names that other nodes claim can hold anything.
            write(without_controls(line))
    if not found.events and not arguments.off:
        sys.stderr.write(
            f"nothing was kept so far; from now on {door.url} keeps its last {found.keeps} events: ask again\n"
        )


def _lines(events: Sequence[TracedEvent], *, everything: bool) -> Iterator[str]:
    for event in events:
        message = event.message
        if not everything and message is not None and _is_of_the_node(message.source, message.target):
            continue
        if event.kind == EventKind.SENT.value and message is not None:
            yield f"{clock(event.at)} {message.line()}"
        elif event.kind in _TOLD:
            about = "" if message is None else f" ({message.source} -> {message.target})"
            note = f": {event.note}" if event.note else ""
            yield f"{clock(event.at)} {event.subject} {_TOLD[event.kind]}{about}{note}"


def _is_of_the_node(source: str, target: str) -> bool:
    """Among them are the questions of `nectar trace` itself."""
    return source.endswith(f"@{_OF_THE_NODE}") or target.endswith(f"@{_OF_THE_NODE}")


def _draw(events: Sequence[TracedEvent], door: NodeDoor, arguments: argparse.Namespace) -> None:
    # A node, and the commands that look into one, run without the simulator.
    from runtime.sim.log_file import LogEntry  # noqa: PLC0415
    from runtime.sim.pictures.compose import HIDDEN, picture_of  # noqa: PLC0415
    from runtime.sim.pictures.mermaid import mermaid  # noqa: PLC0415
    from runtime.sim.pictures.svg import svg  # noqa: PLC0415

    if not events:
        return
    node = next((one.message.source.partition("@")[0] for one in events if one.message is not None), "node")
    began = events[0].at
    entries = [
        LogEntry(number, one.at - began, node, one.kind, one.subject, one.note, "", one.message, "")
        for number, one in enumerate(events)
    ]
    hidden = () if arguments.all else HIDDEN
    picture = picture_of(
        entries, title=door.url, subtitle=f"from {clock(began)} on", hidden=hidden, ending=True
    )
    if arguments.mermaid:
        write(mermaid(picture).rstrip())
        return
    target: Path = arguments.svg
    try:
        target.write_text(svg(picture))
    except OSError as error:
        raise CommandError(f"cannot write {target}: {error.strerror}", "nectar trace --svg FILE") from None
    write(f"drawn: {target}")
