"""What a process may hand to the kernel: checked at the call, so that no receiver meets anything else."""

from __future__ import annotations

from typing import NoReturn

from kernel.address import Address
from kernel.capability import Capability
from kernel.message import Payload, Request, Response

_MOST_SECONDS = 2**64


def check_response(response: Response, payload: Payload | None) -> None:
    """As `check_message`."""
    if response.__class__ is not Response:
        _wrong("what answers is a Response", response, "Response().ipc(b'..').send()")
    check_message(response, payload)


def check_message(message: Request | Response, payload: Payload | None) -> None:
    """Raises TypeError, or ValueError for a number out of range, that says what to write instead."""
    if (
        message.ipc.__class__ is not bytes
        or message.inherit.__class__ is not bool
        or (message.metadata is not None and message.metadata.__class__ is not str)
    ):
        _refuse_message(message)
    if message.capabilities:
        check_capabilities(message.capabilities)
    if payload is not None and (
        payload.__class__ is not Payload
        or payload.bytes.__class__ is not bytes
        or (payload.mime is not None and payload.mime.__class__ is not str)
    ):
        _refuse_payload(payload)


def check_request(target: Address, request: Request, context: bytes | None, payload: Payload | None) -> None:
    """As `check_message`, for a Request and what goes with it."""
    if target.__class__ is not Address:
        _wrong("a target is an Address", target, "Address.from_str('our@process:package:publisher')")
    if request.__class__ is not Request:
        _wrong("what is sent is a Request", request, "Request().target(address).ipc(b'..').send()")
    check_message(request, payload)
    seconds = request.expects_response
    if seconds is not None and (seconds.__class__ is not int or not 0 <= seconds < _MOST_SECONDS):
        raise ValueError(f"expects_response is a whole number of seconds from 0 up, or None; got {seconds!r}")
    if context is not None and context.__class__ is not bytes:
        _wrong("a context is bytes", context, "context=b'..'")


def check_capabilities(capabilities: object) -> None:
    """Each must be a Capability."""
    if not isinstance(capabilities, tuple | list):
        _wrong("capabilities are a list", capabilities, "[Capability(issuer, params)]")
    for capability in capabilities:
        if not isinstance(capability, Capability):
            _wrong("a capability is a Capability", capability, "Capability(issuer, params)")


def _refuse_message(message: Request | Response) -> NoReturn:
    if message.ipc.__class__ is not bytes:
        _wrong("ipc is bytes", message.ipc, "b'..', or json.dumps(value).encode()")
    if message.inherit.__class__ is not bool:
        _wrong("inherit is True or False", message.inherit, "inherit=True")
    _wrong("metadata is text or None", message.metadata, "metadata='..'")


def _refuse_payload(payload: Payload) -> NoReturn:
    if not isinstance(payload, Payload):
        _wrong("a payload is a Payload or None", payload, "Payload(mime='text/plain', bytes=b'..')")
    if payload.bytes.__class__ is not bytes:
        _wrong("a payload's bytes are bytes", payload.bytes, "Payload(bytes='..'.encode())")
    _wrong("a payload's mime is text or None", payload.mime, "Payload(mime='text/plain', bytes=b'..')")


def _wrong(rule: str, found: object, instead: str) -> NoReturn:
    raise TypeError(f"{rule}, not {type(found).__name__}: {found!r:.80}; write {instead}")
