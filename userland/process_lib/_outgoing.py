"""What the raw calls take: a `wit` value or a builder, made into what the kernel takes."""

from __future__ import annotations

from typing import TypeAlias

from kernel.message import ExitRequest, Payload
from kernel.message import Request as RawRequest
from kernel.message import Response as RawResponse
from kernel.syscalls import Outgoing
from userland.process_lib._builders import Request, Response, Target, to_address
from userland.process_lib._payloads import check_payload

AnyRequest: TypeAlias = RawRequest | Request
AnyResponse: TypeAlias = RawResponse | Response
Entry: TypeAlias = ExitRequest | tuple[Target, AnyRequest, Payload | None] | Request
"""Of `OnExit.requests`."""


def outgoing(
    call: str, target: Target, request: AnyRequest, context: bytes | None, payload: Payload | None
) -> Outgoing:
    """What is given beside a builder wins over what the builder holds.

    Raises `BuildError`, TypeError, and what `to_address` raises.
    """
    address = to_address(target)
    if isinstance(request, Request):
        _, request, own_context, own_payload = request.target(address).build()
        context = own_context if context is None else context
        payload = own_payload if payload is None else payload
    elif not isinstance(request, RawRequest):
        raise TypeError(f"{call} takes a Request builder or a wit.Request, got {type(request).__name__}")
    check_payload(call, payload)
    return address, request, context, payload


def answer(call: str, response: AnyResponse, payload: Payload | None) -> tuple[RawResponse, Payload | None]:
    """As `outgoing`, for a Response."""
    if isinstance(response, Response):
        response, own_payload = response.build()
        payload = own_payload if payload is None else payload
    elif not isinstance(response, RawResponse):
        raise TypeError(f"{call} takes a Response builder or a wit.Response, got {type(response).__name__}")
    check_payload(call, payload)
    return response, payload


def exit_request(entry: Entry) -> ExitRequest:
    """Raises as `outgoing`; a context is left out, because nobody is left to get it back."""
    if isinstance(entry, Request):
        target, raw, _, payload = entry.build()
        check_payload("OnExit.requests", payload)
        return target, raw, payload
    if not isinstance(entry, tuple) or len(entry) != 3:
        raise TypeError(
            "an entry of OnExit.requests is a Request builder with a target, or (address, request, payload or None); "
            f"got {entry!r:.200}"
        )
    address, raw, _, payload = outgoing("OnExit.requests", entry[0], entry[1], None, entry[2])
    return address, raw, payload
