"""A program run beside the test, its output read by threads. Whoever starts it closes it, by its own pid."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

ROOT = Path(__file__).parent.parent.parent
SECONDS = 30.0


class NotSeen(AssertionError):
    """What was waited for did not come; shows what the program said instead."""


class LiveProcess:
    """`out` and `err` are what it has said so far; with `merged` all of it is in `out`."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        folder: Path | None = None,
        environment: Mapping[str, str] | None = None,
        merged: bool = False,
        stdin: int = subprocess.DEVNULL,
    ) -> None:
        self.command = list(command)
        self.out = ""
        self.err = ""
        self._changed = threading.Condition()
        self._process = subprocess.Popen(
            self.command,
            cwd=folder, env=environment, stdin=stdin, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if merged else subprocess.PIPE, text=True, errors="replace",
        )  # fmt: skip
        streams = {"out": self._process.stdout, "err": self._process.stderr}
        self._open = [name for name, stream in streams.items() if stream is not None]
        self._readers = [
            threading.Thread(target=self._read, args=(name, stream), daemon=True)
            for name, stream in streams.items()
            if stream is not None
        ]
        for reader in self._readers:
            reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def _read(self, name: str, stream: IO[str]) -> None:
        with stream:
            for line in stream:
                with self._changed:
                    setattr(self, name, getattr(self, name) + line)
                    self._changed.notify_all()
        with self._changed:
            self._open.remove(name)
            self._changed.notify_all()

    def wait_said(self, holds: Callable[[], object], seconds: float = SECONDS) -> None:
        """Until it holds of `out` and `err`. Raises `NotSeen` when the output ends or time is up before."""
        with self._changed:
            self._changed.wait_for(lambda: holds() or not self._open, seconds)
            if not holds():
                raise NotSeen(self.story())

    def story(self) -> str:
        code = self._process.poll()
        return f"$ {' '.join(self.command)}\n-- out\n{self.out}\n-- err\n{self.err}\n-- exit code {code}"

    def send_signal(self, number: int) -> None:
        self._process.send_signal(number)

    def poll(self) -> int | None:
        """The exit code, or None while it runs."""
        return self._process.poll()

    def wait(self, seconds: float = SECONDS) -> int:
        """The exit code, all output read. Raises `NotSeen` when it runs on."""
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise NotSeen(f"it did not end within {seconds:g} s\n{self.story()}") from None
        for reader in self._readers:
            reader.join(SECONDS)
        return code

    def stop(self, seconds: float = SECONDS) -> int:
        """As Ctrl-C does; its exit code. Raises `NotSeen` when it runs on."""
        self.send_signal(signal.SIGINT)
        return self.wait(seconds)

    def close(self) -> None:
        """Kill it if it still runs."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait(SECONDS)
        for reader in self._readers:
            reader.join(SECONDS)


def clean_environment(home: Path) -> dict[str, str]:
    """Of a person whose home is `home` and who has no node yet; temporary files go to `home/tmp`, and nodes find
    each other in `home/local`.
    """
    temporary = home / "tmp"
    temporary.mkdir(parents=True, exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("NECTAR", "COVERAGE"))}
    return kept | {
        "HOME": str(home),
        "XDG_DATA_HOME": str(home / "data"),
        "TMPDIR": str(temporary),
        "NECTAR_LOCAL_DIRECTORY": str(home / "local"),
        "PYTHONPATH": str(ROOT),
    }
