"""The recording of one run of a node, from kernel to file."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from runtime.record.cleaning import Cleaner
from runtime.record.recorder import Recorder
from runtime.record.writer import FileSink, RecordWriter
from sys_processes.devices import Workers


class Recording:
    """Into a new file. The `writer` is to be run, and closed. `secrets` are kept out of it.

    Raises FileExistsError, OSError.
    """

    def __init__(
        self, path: Path, workers: Workers, secrets: Iterable[bytes], report: Callable[[str], None]
    ) -> None:
        self.writer = RecordWriter(FileSink(path), workers, report)
        self.recorder = Recorder(self.writer.write, Cleaner(secrets))
