"""What the terminal shows of this node and of others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from kernel import protocol as kernel_protocol
from kernel.syscalls import current
from sys_processes._columns import columns
from sys_processes._serve import Answer
from sys_processes.net.protocol import (
    NET,
    Diagnostics,
    GetDiagnostics,
    GetPeer,
    GetStates,
    NodeState,
    PeerFound,
    States,
)
from sys_processes.terminal import core
from sys_processes.terminal.asking import ask_kernel, ask_net, failed, shown

_STANDINGS = ("ID", "STATE", "MAILBOX", "BYTES", "RECEIVED", "RESTARTS", "LAST ERROR")
_HOLDINGS = ("ID", "WHO MAY MESSAGE IT", "HOLDS", "OF")


async def of_this_node(command: core.Processes | core.Overview) -> Answer:
    return await (_overview() if isinstance(command, core.Overview) else _processes(command))


async def of_other_nodes(command: core.Peers | core.Peer | core.NetDiagnostics) -> Answer:
    match command:
        case core.Peers():
            return await _peers()
        case core.Peer(name):
            return await _peer(name)
        case core.NetDiagnostics():
            return await _net_diagnostics()


async def _processes(asked: core.Processes) -> Answer:
    rows = await (_holdings() if asked.capabilities else _standings())
    if asked.process is not None:
        rows = [row for row in rows if row[0] == asked.process]
        if not rows:
            return failed(f"there is no process {asked.process}: `top` lists them")
    heads = _HOLDINGS if asked.capabilities else _STANDINGS
    return shown(columns(heads, rows))


async def _standings() -> list[tuple[object, ...]]:
    return [
        (p.id, p.state.value, p.mailbox, p.bytes, p.received, p.restarts, p.last_error)
        for p in await _all_processes()
    ]


async def _holdings() -> list[tuple[object, ...]]:
    """A row for each capability of a process, and one for a process without any."""
    answer = await ask_kernel(kernel_protocol.Debug(kernel_protocol.AskProcessMap()))
    assert isinstance(answer, kernel_protocol.DebugIs)
    assert isinstance(answer.answer, kernel_protocol.ProcessMapIs)
    rows: list[tuple[object, ...]] = []
    for pid, record in answer.answer.processes.items():
        who = "everybody" if record.public else "who holds it"
        held = [(one.params, one.issuer.process) for one in record.capabilities if one.issuer.process != pid]
        rows += [(pid, who, *one) for one in held]
        if not held:
            rows.append((pid, who, "", ""))
    return rows


async def _all_processes() -> Sequence[kernel_protocol.ProcessStatus]:
    answer = await ask_kernel(kernel_protocol.Debug(kernel_protocol.AskProcesses()))
    assert isinstance(answer, kernel_protocol.DebugIs)
    assert isinstance(answer.answer, kernel_protocol.ProcessesAre)
    return answer.answer.processes


async def _overview() -> Answer:
    processes = await _all_processes()
    states = Counter(one.state.value for one in processes)
    known = await _known_nodes() if current().is_running(NET) else ()
    reached = sum(one.state == "up" for one in known)
    lines = (
        ("node", current().our.node),
        (
            "processes",
            f"{len(processes)}: {', '.join(f'{n} {state}' for state, n in sorted(states.items()))}",
        ),
        ("packages", len({one.id.package_id for one in processes})),
        ("received", f"{sum(one.received for one in processes)} messages"),
        (
            "unread",
            f"{sum(one.mailbox for one in processes)} messages, {sum(one.bytes for one in processes)} B",
        ),
        ("restarts", sum(one.restarts for one in processes)),
        ("other nodes", f"{len(known)} known, {reached} linked"),
    )
    return shown("\n".join(f"{name:<12} {text}" for name, text in lines))


async def _net_diagnostics() -> Answer:
    match await ask_net(GetDiagnostics()):
        case Diagnostics(text):
            return shown(text)
    return failed("the carrier has no diagnostics to give")


async def _known_nodes() -> Sequence[NodeState]:
    found = await ask_net(GetStates())
    return found.states if isinstance(found, States) else ()


async def _peers() -> Answer:
    rows = [(s.name, s.state, s.round_trip_ms, s.in_flight, s.waiting) for s in await _known_nodes()]
    if not rows:
        return shown("no other node is known")
    return shown(columns(("NAME", "STATE", "ROUND TRIP MS", "IN FLIGHT", "WAITING"), rows))


async def _peer(name: str) -> Answer:
    match await ask_net(GetPeer(name)):
        case PeerFound(peer) if peer is not None:
            return shown(f"{peer.name}\nkey {peer.networking_key}\n{peer.routing}")
    return failed(f"no node {name!r} is known: `peers` lists those that are")
