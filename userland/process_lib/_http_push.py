"""Messages for the clients of WebSocket channels (PROTOCOL 5.6, 6.12)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import overload

from kernel.address import Address
from kernel.message import Payload
from kernel.message import Request as RawRequest
from kernel.syscalls import current
from sys_processes.http_server.protocol import ACTION, WebSocketPush, WsMessageType
from userland.process_lib._http_ask import server
from userland.process_lib._payloads import check_payload


# The last few thousand channels' ipc: a push is the hottest call of a chat or a game.
@lru_cache(maxsize=4096)
def _push(channel_id: int, message_type: WsMessageType) -> RawRequest:
    if channel_id.__class__ is not int or not 0 <= channel_id < 1 << 32:
        raise TypeError(f"a channel_id is the number that came with WebSocketOpen, got {channel_id!r}")
    return RawRequest(ipc=ACTION.encode(WebSocketPush(channel_id, WsMessageType(message_type))))


@overload
def send_ws_push(channel_id: int, message_type: WsMessageType, payload: Payload) -> None: ...


@overload
def send_ws_push(
    node: str | Address, channel_id: int, message_type: WsMessageType, payload: Payload
) -> None: ...


def send_ws_push(  # type: ignore[misc]  # a number in the place of the node is the channel
    node: object = None, channel_id: object = None, message_type: object = None, payload: object = None
) -> None:
    """Send `payload` to the client of a channel: `(channel_id, type, payload)`, or with the owner's node in front.

    The node may be given as `our`.
    What cannot be delivered comes back through `await_message` as a `SendError`; of a channel that has gone, its
    `WebSocketClose` tells. Raises TypeError for what is no channel or no Payload.
    """
    if node.__class__ is int:
        payload = payload or message_type
        message_type = channel_id or message_type
        channel_id, node = node, None
    if not isinstance(payload, Payload):
        raise TypeError(f"send_ws_push takes a Payload last, got {payload!r}; write Payload(bytes=b'..')")
    check_payload("send_ws_push", payload)
    if isinstance(node, Address):
        node = node.node
    if node is not None and not isinstance(node, str):
        raise TypeError(f"send_ws_push takes a channel_id or a node's name first, got {node!r}")
    call = current()
    call.send_request(server(node or call.our.node), _push(channel_id, message_type), None, payload)


Channels = Mapping[str, Iterable[int]]


@overload
def ws_push_all_channels(
    channels: Channels, path: str, message_type: WsMessageType, payload: Payload
) -> None: ...


@overload
def ws_push_all_channels(
    node: str | Address, channels: Channels, path: str, message_type: WsMessageType, payload: Payload, /
) -> None: ...


def ws_push_all_channels(
    channels: object,
    path: object,
    message_type: object,
    payload: object,
    last: object = None,
) -> None:
    """`send_ws_push` to each channel that is kept under `path`, lowest number first; none is fine.

    `(channels, path, type, payload)`, or with the owner's node in front.
    """
    node: object = None
    if not isinstance(channels, Mapping):
        node, channels, path, message_type, payload = channels, path, message_type, payload, last
    if not isinstance(channels, Mapping):
        raise TypeError(
            f"ws_push_all_channels takes the channels by path, such as {{'/': [7]}}, got {channels!r}"
        )
    for channel_id in sorted(channels.get(path, ())):
        send_ws_push(node, channel_id, message_type, payload)  # type: ignore[call-overload]
