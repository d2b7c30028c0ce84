"""The text of the shapes that travel with every frame and every HTTP call, written and read without the codec.

Each reader returns None for whatever is not exactly the usual text; the declared shapes of `protocol` decide then.
"""

from __future__ import annotations

import re
from typing import TypeGuard

from kernel.jsontext import JsonValue, NotJson, dump, parse

_PUSH = re.compile(
    rb'\{"WebSocketPush":\{"channel_id":(0|[1-9][0-9]{0,9}),"message_type":"(Text|Binary|Ping|Pong|Close)"\}\}'
)
_CLOSE = re.compile(rb'\{"WebSocketClose":(0|[1-9][0-9]{0,9})\}')
_U32 = 2**32
_HTTP_KEYS = 8

HttpFields = tuple[str | None, str, str, dict[str, str], dict[str, str], dict[str, str], str]


def push_text(channel_id: int, message_type: str) -> bytes:
    return b'{"WebSocketPush":{"channel_id":%d,"message_type":"%b"}}' % (channel_id, message_type.encode())


def open_text(path: str, channel_id: int) -> bytes:
    return b'{"WebSocketOpen":{"path":%b,"channel_id":%d}}' % (dump(path), channel_id)


def close_text(channel_id: int) -> bytes:
    return b'{"WebSocketClose":%d}' % channel_id


def read_push(raw: bytes) -> tuple[int, str] | None:
    """Channel and message type."""
    found = _PUSH.fullmatch(raw)
    if found is None:
        return None
    channel_id = int(found[1])
    return (channel_id, found[2].decode()) if channel_id < _U32 else None


def read_close(raw: bytes) -> int | None:
    found = _CLOSE.fullmatch(raw)
    if found is None:
        return None
    channel_id = int(found[1])
    return channel_id if channel_id < _U32 else None


def http_text(
    source_socket_addr: str | None,
    method: str,
    raw_path: str,
    headers: dict[str, str],
    query_params: dict[str, str],
    url_params: dict[str, str],
    bound_path: str,
) -> bytes:
    return dump(
        {
            "Http": {
                "source_socket_addr": source_socket_addr,
                "method": method,
                "raw_path": raw_path,
                "url": raw_path,
                "bound_path": bound_path,
                "headers": headers,
                "url_params": url_params,
                "query_params": query_params,
            }
        }
    )


def response_text(status: int, headers: dict[str, str]) -> bytes | None:
    if status.__class__ is not int or not 0 <= status < 2**16 or headers.__class__ is not dict:
        return None
    for name, value in headers.items():
        if name.__class__ is not str or value.__class__ is not str:
            return None
    return dump({"status": status, "headers": headers})


def _is_text_map(value: JsonValue) -> TypeGuard[dict[str, str]]:
    return value.__class__ is dict and all(text.__class__ is str for text in value.values())


def read_http(raw: bytes) -> HttpFields | None:
    """The fields as `http_text` takes them."""
    if not raw.startswith(b'{"Http":{'):
        return None
    try:
        whole = parse(raw)
    except NotJson:
        return None
    if not isinstance(whole, dict) or len(whole) != 1:
        return None
    form = whole["Http"]
    if not isinstance(form, dict) or len(form) != _HTTP_KEYS:
        return None
    headers, query, captured = form.get("headers"), form.get("query_params"), form.get("url_params")
    peer, method, url = form.get("source_socket_addr"), form.get("method"), form.get("raw_path")
    bound = form.get("bound_path")
    if not (isinstance(method, str) and isinstance(url, str) and isinstance(bound, str)):
        return None
    if not (isinstance(form.get("url"), str) and "source_socket_addr" in form):
        return None
    if not (peer is None or isinstance(peer, str)):
        return None
    if not (_is_text_map(headers) and _is_text_map(query) and _is_text_map(captured)):
        return None
    return peer, method, url, headers, query, captured, bound


def read_response(raw: bytes) -> tuple[int, dict[str, str]] | None:
    """Status and headers."""
    try:
        form = parse(raw)
    except NotJson:
        return None
    if not isinstance(form, dict):
        return None
    status, headers = form.get("status"), form.get("headers")
    if status.__class__ is not int or not isinstance(status, int) or not 0 <= status < 2**16:
        return None
    return (status, headers) if _is_text_map(headers) else None
