"""`python -m tests.support.fuzz_search TARGET SECONDS FOLDER`: one target of `scripts/fuzz`.

Ends with 0, or, when a rule was broken, with the input in a file whose name is printed.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

# What is imported here is what the search looks into.
with atheris.instrument_imports(include=["kernel", "runtime", "sys_processes"]):
    from tests.support.fuzz_seeds import SEEDS
    from tests.support.fuzz_targets import TARGETS

LARGEST = 4096


def main(name: str, seconds: int, kept: Path) -> None:
    corpus = kept / name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(SEEDS[name]):
        (corpus / f"seed-{number}").write_bytes(seed)
    options = [
        f"-max_total_time={seconds}", f"-max_len={LARGEST}", "-timeout=10", "-rss_limit_mb=1024",
        f"-artifact_prefix={kept}/{name}-", "-verbosity=0", "-print_final_stats=1", str(corpus),
    ]  # fmt: skip
    atheris.Setup([sys.argv[0], *options], TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
