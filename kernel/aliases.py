"""The names that later eras gave to processes of the seed's era (PROTOCOL 0.3)."""

from __future__ import annotations

from kernel.address import ProcessId

_MOVED = {
    ProcessId("main", "app-store", "sys"): ProcessId("main", "app_store", "nectar"),
    ProcessId("main", "app_store", "sys"): ProcessId("main", "app_store", "nectar"),
    ProcessId("homepage", "homepage", "sys"): ProcessId("homepage", "homepage", "nectar"),
    ProcessId("terminal", "terminal", "sys"): ProcessId("terminal", "terminal", "nectar"),
}


def seed_era(process: ProcessId) -> ProcessId | None:
    """What the id means where that runs and no process of the id itself does; None when it means itself only."""
    if process.publisher != "sys":
        return None
    if process.package == "distro":
        return ProcessId(process.process.replace("-", "_"), "sys", "nectar")
    return _MOVED.get(process)
