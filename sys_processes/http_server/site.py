"""What http_server answers to HTTP calls: fixed routes, static content, and what processes say (PROTOCOL 6.7-6.10)."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from typing import Literal, TypeVar, assert_never

import attrs
import trio

from kernel.address import Address, ProcessId
from kernel.message import Message, Payload, Reason, Request, SendError
from kernel.syscalls import current
from sys_processes.http_server import era0, login, pages, rpc
from sys_processes.http_server.access import (
    Allow,
    Refuse,
    SendToLogin,
    ShowLogin,
    Verdict,
    check_http,
    check_subdomain,
    outer_scheme,
)
from sys_processes.http_server.bindings import Fixed, Gone, HttpBinding, HttpRoute, PathTable
from sys_processes.http_server.calls import Answers, BadQuery, incoming, static_reply
from sys_processes.http_server.complaints import Kind
from sys_processes.http_server.door import Door
from sys_processes.http_server.http1 import RequestHead
from sys_processes.http_server.long_calls import LONG_BYTES, answer_in_steps, read_in_steps
from sys_processes.http_server.protocol import METADATA_HTTP, REQUEST
from sys_processes.http_server.replies import HttpReply
from sys_processes.http_server.tokens import Session

T = TypeVar("T")

GRACE = 0.5
_ReadOnly = Literal[Fixed.OUR, Fixed.OUR_JS, Fixed.CLIENT, Fixed.IDENTITY]
_SHUTS_DOWN = "the node shuts down"
_NO_BODY = Payload(None, b"")


@attrs.frozen
class _Call:
    """What a head is made into, good for as long as the paths are of that edition."""

    edition: int
    binding: HttpBinding
    target: Address
    request: Request


@attrs.frozen
class _Content:
    """The same of a head that is answered without its process."""

    edition: int
    binding: HttpBinding
    reply: HttpReply


class Pages:
    """The HTTP half of the server, one for all connections. `complain` takes what clients and processes do wrong."""

    def __init__(
        self,
        door: Door,
        paths: PathTable,
        node: str,
        secrets: era0.Secrets,
        complain: Callable[[Kind, str], None],
    ) -> None:
        self._complain = complain
        self._door = door
        self._paths = paths
        self._node = node
        self._secrets = secrets
        self._trusted = door.settings.trusted_origins()
        self._seconds = math.ceil(door.settings.timeout)
        self._whole_seconds = self._seconds == door.settings.timeout
        self._limiter = login.AttemptLimiter()
        self._one_login = trio.Lock()
        self._addresses: dict[ProcessId, Address] = {}
        self._answers = Answers()
        self._waiting: dict[RequestHead, None] = {}
        """Calls that wait for a process."""
        self._shut_down = False

    def shut_down(self) -> None:
        """The node shuts down: who waits for a process may do so for `GRACE` seconds, further calls have no time."""
        self._shut_down = True

    def last_word(self, head: RequestHead) -> HttpReply | None:
        """What a call is told that waits when the node shuts down; None for one that does not wait for a process."""
        return self._shutting_down(head) if head in self._waiting else None

    def _shutting_down(self, head: RequestHead) -> HttpReply:
        if self._paths.route(head.path) is Fixed.RPC:
            return rpc.rpc_error(503, _SHUTS_DOWN)
        return pages.refusal(head, 503, _SHUTS_DOWN)

    def session(self, head: RequestHead) -> Session:
        """What its cookie proves on the host that it names."""
        cookies = head.header("cookie")
        if cookies is None:
            return Session.ABSENT
        subdomain = self._paths.subdomain(head.host)
        package = None if subdomain is None else subdomain.package
        return self._door.tokens.session(cookies, current().now(), package)

    def max_body(self, head: RequestHead) -> int | HttpReply:
        """How much body a call may have, or the reply that refuses it before the body is read."""
        match self._paths.route(head.path):
            case Fixed.LOGIN:
                return login.refuse_head(head) or login.BODY_BYTES
            case Fixed.LOGOUT:
                return login.refuse_logout(head) or login.BODY_BYTES
            case Fixed.RPC:
                return self._refuse_rpc(head) or rpc.BODY_BYTES
            case Fixed.ENCRYPTOR:
                return self._refuse_exchange(head) or era0.BODY_BYTES
            case route:
                refused = self._refusal(head, self._verdict(head, route))
                return self._door.settings.max_body if refused is None else refused

    async def answer(self, head: RequestHead, body: bytes) -> HttpReply:
        known = self._known(head)
        if known is None or known.binding.authenticated:
            route = self._paths.route(head.path) if known is None else known.binding
            refused = self._refusal(head, self._verdict(head, route))
            if refused is not None:
                return refused
        if known is not None:
            return known.reply if isinstance(known, _Content) else await self._ask(head, body, known)
        assert route is not None
        assert not isinstance(route, Gone)
        return await self._answer(head, body, route)

    async def _answer(self, head: RequestHead, body: bytes, route: Fixed | HttpBinding) -> HttpReply:
        match route:
            case HttpBinding():
                return self._content(head, route) or await self._ask_first(head, body, route)
            case Fixed.RPC:
                return self._refuse_rpc(head) or await self._inject(head, body)
            case Fixed.ENCRYPTOR:
                return self._refuse_exchange(head) or era0.exchange(body, self._secrets, self._door.keys.sign)
            case Fixed.LOGIN:
                return login.refuse_head(head) or await self._log_in(head, body)
            case Fixed.LOGOUT:
                return login.refuse_logout(head) or self._log_out(head)
            case Fixed.START:
                return pages.refusal(head, 503, "the homepage does not run")
        return self._fixed_page(route) if head.method in ("GET", "HEAD") else pages.only_get()

    def _fixed_page(self, route: _ReadOnly) -> HttpReply:
        match route:
            case Fixed.OUR:
                return pages.our(self._node)
            case Fixed.OUR_JS:
                return pages.our_js(self._node, self._door.keys.public_key)
            case Fixed.CLIENT:
                return pages.client_js(self._door.client)
            case Fixed.IDENTITY:
                return era0.identity(self._node, self._door.keys.public_key)
            case _:
                assert_never(route)

    def _verdict(self, head: RequestHead, route: HttpRoute | None) -> Verdict:
        return check_http(head, route, self.session(head), self._trusted, self._paths.subdomain(head.host))

    def _refusal(self, head: RequestHead, verdict: Verdict) -> HttpReply | None:
        match verdict:
            case Allow():
                return None
            case Refuse(status, reason):
                return pages.refusal(head, status, reason)
            case SendToLogin(location):
                return HttpReply(307, [("location", location)])
            case ShowLogin():
                self._complain(
                    Kind.LOGIN, f"{head.method} {head.path} of {head.peer} needs the cookie of a login"
                )
                return pages.login_page(self._node, 401, instead_of=head.method)

    def _content(self, head: RequestHead, binding: HttpBinding) -> HttpReply | None:
        """None when the process is to be asked."""
        reply = static_reply(head, binding)
        if reply is not None and reply.lines is not None:
            # A part is not kept: each idle connection would hold one.
            head.memo = _Content(self._paths.edition, binding, reply)
        return reply

    # -- a process

    def _known(self, head: RequestHead) -> _Call | _Content | None:
        """What the same head was made into before, while it still holds."""
        memo = head.memo
        if isinstance(memo, _Call) or isinstance(memo, _Content):  # noqa: SIM101 - a tuple or union costs more
            return memo if memo.edition == self._paths.edition else None
        return None

    async def _ask_first(self, head: RequestHead, body: bytes, binding: HttpBinding) -> HttpReply:
        try:
            ipc = REQUEST.encode(incoming(head, binding))
        except BadQuery as error:
            return pages.refusal(head, 400, str(error))
        request = Request(False, self._seconds, ipc, METADATA_HTTP)
        call = _Call(self._paths.edition, binding, self._address(binding.process), request)
        head.memo = call
        return await self._ask(head, body, call)

    async def _ask(self, head: RequestHead, body: bytes, call: _Call) -> HttpReply:
        """Exactly one outcome, whatever becomes of the process (PROTOCOL 6.7)."""
        process = call.target.process
        if self._shut_down:
            return self._shutting_down(head)
        try:
            message = await self._answer_of(head, body, call)
        except SendError as error:
            if error.reason is not Reason.deadline_passed:
                return pages.refusal(head, 503, f"{process} cannot answer: {error.reason}")
            message = None
        if message is None:
            return pages.refusal(head, 408, f"{process} did not answer in time")
        reply = self._answers.reply(message.ipc, message.payload())
        if reply is None:
            self._complain(
                Kind.ANSWER,
                f"{process} gave no valid HttpResponse to {head.method} {head.path}: {message.ipc[:80]!r}",
            )
            return pages.refusal(head, 500, f"{process} gave no valid answer")
        return reply

    async def _answer_of(self, head: RequestHead, body: bytes, call: _Call) -> Message | None:
        """None when the time is up. Raises `SendError`."""
        payload = Payload(None, body) if body else _NO_BODY
        self._waiting[head] = None
        try:
            if self._whole_seconds:
                # The kernel keeps whole seconds; a scope of our own costs a tenth of the whole call.
                return await current().send_and_await_response(call.target, call.request, payload)
            with trio.move_on_after(self._door.settings.timeout):
                return await current().send_and_await_response(call.target, call.request, payload)
            return None
        finally:
            del self._waiting[head]

    def _address(self, process: ProcessId) -> Address:
        found = self._addresses.get(process)
        if found is None:
            found = self._addresses[process] = Address(self._node, process)
        return found

    def forget(self, process: ProcessId) -> None:
        """The process has ended."""
        self._addresses.pop(process, None)

    # -- the fixed routes that do something

    async def _log_in(self, head: RequestHead, body: bytes) -> HttpReply:
        if head.method != "POST":
            return pages.login_page(self._node)
        request = login.read_login(body)
        if request is None:
            return login.login_error(400, login.BAD_BODY)
        subdomain = self._paths.subdomain(head.host)
        refused = login.wrong_host(head.host, request, subdomain)
        if refused is not None:
            return refused
        node = current()
        async with self._one_login:
            wait = self._limiter.wait(node.now())
            if wait:
                return login.too_many_attempts(wait)
            if not await self._door.check_password(request.password):
                self._limiter.failed(node.now())
                self._complain(Kind.LOGIN, f"{head.peer} tried to log in with a wrong password")
                return login.login_error(401, login.WRONG_PASSWORD)
        tokens = self._door.tokens
        token = tokens.issue(node.now(), None if subdomain is None else subdomain.package)
        cookie = tokens.set_cookie(token, secure=outer_scheme(head) == "https")
        return login.logged_in(self._door.keyfile, cookie, head.query)

    def _log_out(self, head: RequestHead) -> HttpReply:
        return login.logged_out(self._door.tokens.clear_cookie(secure=outer_scheme(head) == "https"))

    def _refuse_rpc(self, head: RequestHead) -> HttpReply | None:
        door = self._door
        refused = check_subdomain(head, Fixed.RPC, self._paths.subdomain(head.host)) or rpc.check_call(
            head, self.session(head), door.rpc_token, self._trusted, open_to_all=door.settings.rpc_open
        )
        if refused is None:
            return None
        self._complain(Kind.LOGIN, f"refused an RPC of {head.peer}: {refused.status}, {refused.reason}")
        return rpc.rpc_error(refused.status, refused.reason)

    def _refuse_exchange(self, head: RequestHead) -> HttpReply | None:
        refused = era0.check_exchange(head, self.session(head), self._trusted)
        if refused is None:
            return None
        self._complain(
            Kind.LOGIN, f"refused {head.peer} the exchange of a secret: {refused.status}, {refused.reason}"
        )
        return era0.refusal(head, refused)

    async def _read_call(self, body: bytes) -> rpc.RpcCall:
        """Raises `BadCall`."""
        if len(body) <= LONG_BYTES:
            return rpc.read_call(body, self._node)
        return await _in_steps(read_in_steps(body, self._node))

    async def _inject(self, head: RequestHead, body: bytes) -> HttpReply:
        try:
            call = await self._read_call(body)
        except rpc.BadCall as error:
            return rpc.rpc_error(400, str(error))
        request = call.request(self._door.settings.timeout)
        if request.expects_response is None:
            current().send_request(call.target, request, None, call.payload)
            return rpc.sent()
        if self._shut_down:
            return self._shutting_down(head)
        self._waiting[head] = None
        try:
            message = await current().send_and_await_response(call.target, request, call.payload)
        except SendError as error:
            return rpc.came_back(error.kind, error.detail)
        finally:
            del self._waiting[head]
        payload = message.payload()
        if len(message.ipc) + (0 if payload is None else len(payload.bytes)) <= LONG_BYTES:
            return rpc.answered(call.vocabulary, message.ipc, payload)
        return await _in_steps(answer_in_steps(call.vocabulary, message.ipc, payload))


async def _in_steps(steps: Generator[None, None, T]) -> T:
    """What the steps come to; others run in between."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            outcome: T = end.value
            return outcome
        await trio.lowlevel.checkpoint()
