"""`scripts/fuzz`: each target in a process of its own, guided by what code an input reaches."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from tests.support.fuzz_targets import TARGETS


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/fuzz", description=__doc__)
    parser.add_argument("seconds", type=int, nargs="?", default=60, help="for each target (default 60)")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--kept", type=Path, default=Path(".fuzz"), help="where inputs are kept")
    parser.add_argument("--file", type=Path, help="give the targets this input, and nothing else")
    chosen = parser.parse_args()
    unknown = [name for name in chosen.targets if name not in TARGETS]
    if unknown:
        parser.error(f"no target {unknown[0]!r}; there are {', '.join(TARGETS)}")
    failed = []
    for name in chosen.targets or TARGETS:
        sys.stdout.write(f"== {name}\n")
        sys.stdout.flush()
        if chosen.file is not None:
            TARGETS[name](chosen.file.read_bytes())
            continue
        command = [sys.executable, "-m", "tests.support.fuzz_search", name, str(chosen.seconds), chosen.kept]
        if subprocess.run(command, check=False).returncode:
            failed.append(name)
    sys.stdout.write(f"failed: {', '.join(failed)}\n" if failed else "no rule was broken\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
