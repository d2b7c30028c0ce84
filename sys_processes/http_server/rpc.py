"""The RPC route: messages injected by programs of the node's owner (PROTOCOL 6.10)."""

from __future__ import annotations

import base64
import binascii
import enum
import math

import attrs

from kernel.address import Address, IdentifierParseError, ProcessId
from kernel.codec import Malformed
from kernel.jsontext import dump
from kernel.message import Payload, Request, SendErrorKind
from sys_processes.http_server.access import Refuse, check_local, check_origin
from sys_processes.http_server.http1 import RequestHead
from sys_processes.http_server.origins import Origin
from sys_processes.http_server.protocol import (
    RPC_ANSWER,
    RPC_ANSWER_LATER,
    RPC_REQUEST,
    RpcAnswer,
    RpcAnswerLater,
    RpcRequest,
)
from sys_processes.http_server.replies import HttpReply
from sys_processes.http_server.tokens import BearerToken, Session

BODY_BYTES = 96 * 1024 * 1024
"""Of a call; only loopback callers get that far."""

_CREDENTIALS = ("origin", "cookie", "authorization")


class Vocabulary(enum.Enum):
    """Which words the caller used, and gets back."""

    EARLY = "ipc / payload"
    LATER = "body / lazy_load_blob"


class BadCall(ValueError):
    """The body of an RPC call cannot be read; answer 400 with this text."""


@attrs.frozen
class RpcCall:
    """A message to inject. `expects_response` None: send it and answer at once."""

    target: Address
    ipc: bytes
    metadata: str | None
    payload: Payload | None
    expects_response: int | None
    vocabulary: Vocabulary

    def seconds(self, limit: float) -> int | None:
        """How long to wait for the answer, at most `limit`; None when none is wanted."""
        return None if self.expects_response is None else min(self.expects_response, math.ceil(limit))

    def request(self, limit: float) -> Request:
        """As the kernel takes it."""
        return Request(expects_response=self.seconds(limit), ipc=self.ipc, metadata=self.metadata)


def check_call(
    head: RequestHead,
    session: Session,
    token: BearerToken | None,
    trusted: frozenset[Origin],
    *,
    open_to_all: bool,
) -> Refuse | None:
    """Whether the call may go on; asked before its body is read. `open_to_all` is the setting `rpc.open`."""
    if head.method != "POST":
        return Refuse(405, "an RPC call is a POST")
    refused = check_local(head) or check_origin(head, trusted)
    if refused is not None:
        return refused
    if head.header("origin") is not None and not _is_json(head):
        return Refuse(415, "a call by a page must be application/json")
    if session is Session.VALID:
        return None
    authorization = head.header("authorization")
    if authorization is not None and token is not None and token.admits(authorization):
        return None
    if open_to_all and all(head.header(name) is None for name in _CREDENTIALS):
        return None
    return Refuse(
        401, "send the cookie of a login, or 'Authorization: Bearer' with the text of HOME/rpc.token"
    )


def _is_json(head: RequestHead) -> bool:
    return (head.header("content-type") or "").partition(";")[0].strip().lower() == "application/json"


def read_call(body: bytes, node: str) -> RpcCall:
    """`node` is ours, meant when the call names none. Raises `BadCall`."""
    request = read_request(body)
    return as_call(request, node, _payload(request))


def read_request(body: bytes) -> RpcRequest:
    """Raises `BadCall`."""
    try:
        return RPC_REQUEST.decode(body)
    except Malformed as malformed:
        raise BadCall(f"not an RPC call: {malformed}") from None


def as_call(request: RpcRequest, node: str, payload: Payload | None) -> RpcCall:
    """`payload` is the request's `data`, decoded. Raises `BadCall`."""
    if request.ipc is not None and request.body is not None:
        raise BadCall("has both 'ipc' and 'body', which name the same field; send one")
    text = request.ipc if request.body is None else request.body
    return RpcCall(
        target=_target(request, node),
        ipc=(text or "").encode(),
        metadata=request.metadata,
        payload=payload,
        expects_response=request.expects_response,
        vocabulary=Vocabulary.EARLY if request.body is None else Vocabulary.LATER,
    )


def _target(request: RpcRequest, node: str) -> Address:
    try:
        return Address(request.node or node, ProcessId.from_str(request.process))
    except IdentifierParseError as error:
        raise BadCall(str(error)) from None


def _payload(request: RpcRequest) -> Payload | None:
    if request.data is None:
        return None
    try:
        return Payload(request.mime, base64.b64decode(request.data, validate=True))
    except (binascii.Error, ValueError) as error:
        raise BadCall(f"'data' is not base64: {error}") from None


def rpc_error(status: int, text: str) -> HttpReply:
    """`{"error": ..}`."""
    headers = [("content-type", "application/json")]
    if status == 405:
        headers.append(("allow", "POST"))
    if status == 401:
        headers.append(("www-authenticate", "Bearer"))
    return HttpReply(status, headers, dump({"error": text}))


def sent() -> HttpReply:
    """The answer to a call that wants none."""
    return HttpReply(200, [("content-type", "text/html")])


def answered(vocabulary: Vocabulary, ipc: bytes, payload: Payload | None) -> HttpReply:
    """The process's answer, in the words of the call. Says text/html, as the reference does."""
    encoded = None if payload is None else Payload(payload.mime, base64.b64encode(payload.bytes))
    match vocabulary:
        case Vocabulary.EARLY:
            body = RPC_ANSWER.encode(RpcAnswer(ipc, encoded))
        case Vocabulary.LATER:
            body = RPC_ANSWER_LATER.encode(RpcAnswerLater(ipc, encoded))
    return HttpReply(200, [("content-type", "text/html")], body)


def came_back(kind: SendErrorKind, detail: str) -> HttpReply:
    """The message returned as a SendError: 408 when the time was up, 503 when nobody is there."""
    return rpc_error(408 if kind is SendErrorKind.Timeout else 503, detail)
