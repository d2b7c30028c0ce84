"""Entry points in the wording of the reference's macros: `@call_init`, `@script`, `widget` (PROTOCOL 5.1)."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import TypeAlias

from kernel.address import Address
from kernel.message import SendError
from kernel.syscalls import current
from userland.process_lib import homepage
from userland.process_lib._builders import Response

Init: TypeAlias = Callable[[Address], Awaitable[object]]
Script: TypeAlias = Callable[[Address, str], Awaitable[str | bytes | None]]


def _require_async(function: object, decorator: str, wanted: str) -> None:
    if not inspect.iscoroutinefunction(function):
        raise TypeError(f"@{decorator} takes an async function, got {function!r}; write {wanted}")


def _enter_at(function: Callable[..., object], init: Init) -> None:
    # A process module is entered at its `init`, whatever the decorated function is called.
    inspect.unwrap(function).__globals__["init"] = init


def call_init(function: Init) -> Init:
    """Make an async function of any name the module's entry point. One called `init` is it anyway."""
    _require_async(function, "call_init", "async def init(our: Address) -> None")

    @wraps(function)
    async def init(our: Address) -> object:
        return await function(our)

    _enter_at(function, init)
    return init


def script(function: Script) -> Init:
    """Make a one-shot process of `async def f(our, args: str) -> str`.

    `args` is the first message's ipc as text. What is returned answers that message if it wants an answer,
    else it is printed; None answers with nothing.
    """
    _require_async(function, "script", "async def init(our: Address, args: str) -> str")

    @wraps(function)
    async def init(our: Address) -> None:
        message = await current().receive()
        found = await function(our, message.ipc.decode())
        text = b"" if found is None else found.encode() if isinstance(found, str) else found
        if message.wants_response:
            Response().ipc(text).send()
        elif text:
            current().print_to_terminal(0, text.decode(errors="replace"))

    _enter_at(function, init)
    return init


def widget(html: str, label: str | None = None) -> Init:
    """A process that does nothing but show `html` on the start page: `init = widget("<p>Hello</p>")`.

    Its title is the process's name, unless `label` is given.
    """
    if not isinstance(html, str):
        raise TypeError(f"widget takes HTML text, got {html!r}; write init = widget('<p>Hello</p>')")

    async def init(our: Address) -> None:
        homepage.add_to_homepage(our.process_name if label is None else label, widget=html)
        while True:
            await _ignore_one()

    return init


async def _ignore_one() -> None:
    try:
        await current().receive()
    except SendError as error:
        current().print_to_terminal(0, f"came back: {error}")
