"""What is refused as a payload before it is sent, in the words of the call that it was given to."""

from __future__ import annotations

from typing import NoReturn

from kernel.message import Payload


def check_payload(call: str, payload: object) -> None:
    """Raises TypeError unless it is None, or a Payload of bytes whose mime type is text or None."""
    if payload is not None and (
        payload.__class__ is not Payload
        or payload.bytes.__class__ is not bytes
        or not (payload.mime is None or payload.mime.__class__ is str)
    ):
        _refuse(call, payload)


def _refuse(call: str, payload: object) -> NoReturn:
    if not isinstance(payload, Payload):
        raise TypeError(
            f"{call} takes a Payload or None, got {type(payload).__name__}; "
            f'write Payload(bytes=b"..", mime="text/plain")'
        )
    # The fields may hold anything: nothing checks them when a Payload is made.
    mime: object = payload.mime
    content: object = payload.bytes
    if isinstance(mime, bytes | bytearray | memoryview):
        raise TypeError(f"{call}: this Payload has bytes as its mime type; write Payload(bytes=b'..')")
    if isinstance(content, str):
        raise TypeError(f"{call}: a Payload's bytes are bytes, got text; write Payload(bytes=text.encode())")
    if content.__class__ is not bytes:
        raise TypeError(
            f"{call}: a Payload's bytes are bytes, got {type(content).__name__}; write Payload(bytes=bytes(value))"
        )
    raise TypeError(f"{call}: a Payload's mime type is text or None, got {mime!r}")
