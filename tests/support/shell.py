"""A package whose rights must be kept, and a shell for commands that must not lead to a running node."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest

from runtime.cli import main
from tests.support.live_node import PASSWORD, Said, write_package

ACTOR = """
from userland.process_lib import *

async def init(our):
    await http.bind_http_path("/", authenticated=False)
    while True:
        try:
            message = await await_message()
            match http.HttpServerRequest.from_bytes(message.ipc):
                case http.Http():
                    http.send_response(200, {}, b"here")
        except Malformed:
            if message.ipc.startswith(b"keep "):
                await set_state(message.ipc[5:])
            Response().ipc(await get_state() or b"nothing").send()
        except SendError as error:
            println(error)
"""
APP = "app:app:me"


def private_package(folder: Path, code: str = ACTOR) -> Path:
    return write_package(folder / "app", code, public=False, grant_capabilities=["http_server:sys:nectar"])


@attrs.frozen
class Shell:
    """`nectar` in this process, which is quicker, for what must not lead to a running node."""

    folder: Path
    capfd: pytest.CaptureFixture[str]
    monkeypatch: pytest.MonkeyPatch

    def nectar(self, *arguments: str | Path, **environment: str) -> Said:
        for name, value in environment.items():
            self.monkeypatch.setenv(name, value)
        self.capfd.readouterr()
        code = main([str(argument) for argument in arguments])
        said = self.capfd.readouterr()
        return Said(code, said.out, said.err)

    def boot(self, home: Path, *more: str | Path, password: str = PASSWORD) -> Said:
        return self.nectar("boot", home, "--password-env", "PW", "--port", "0", *more, PW=password)
