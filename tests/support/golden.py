"""Golden lines: the approved JSON text of each wire shape.

`tests/golden/kernel.jsonl` holds lines `name<TAB>json`, one per shape, for a person to read; a line that starts with
`#` is a remark. `golden("kernel/initialize_process")` is the text of that name in that file, byte for byte.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "golden"


@cache
def golden_file(area: str) -> dict[str, bytes]:
    """All lines of an area, by name, in the order of the file. ValueError for a line that is none."""
    lines: dict[str, bytes] = {}
    for number, line in enumerate((FOLDER / f"{area}.jsonl").read_text("utf-8").splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        name, tab, text = line.partition("\t")
        if not tab or not text or name in lines:
            raise ValueError(
                f"{area}.jsonl line {number}: expected a new name, a tab and JSON, found {line!r}"
            )
        lines[name] = text.encode()
    return lines


def golden(name: str) -> bytes:
    """Raises LookupError that names the file to add the line to."""
    area, _, line = name.partition("/")
    found = golden_file(area)
    if line not in found:
        raise LookupError(f"tests/golden/{area}.jsonl has no line {line!r}")
    return found[line]
