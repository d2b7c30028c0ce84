"""The RPC route: who may call, what a call says, and how it is answered."""

from __future__ import annotations

import pytest

from kernel.address import Address
from kernel.jsontext import JsonValue, dump, parse
from kernel.message import Payload, Request, SendErrorKind
from sys_processes.http_server.http1 import RequestHead
from sys_processes.http_server.origins import Origin
from sys_processes.http_server.rpc import (
    BadCall,
    RpcCall,
    Vocabulary,
    answered,
    came_back,
    check_call,
    read_call,
    rpc_error,
    sent,
)
from sys_processes.http_server.tokens import BearerToken, Session
from tests.sys_processes.http_server.heads import head

ROUTE = "/rpc:sys:nectar/message"
TOKEN = BearerToken("s3cret")
NOBODY: frozenset[Origin] = frozenset()


def post(peer: str = "127.0.0.1:9", **headers: str) -> RequestHead:
    return head("POST", ROUTE, peer=peer, content_length="0", **headers)


def status(request: RequestHead, session: Session = Session.ABSENT, *, open_to_all: bool = False) -> int:
    refused = check_call(request, session, TOKEN, NOBODY, open_to_all=open_to_all)
    return 200 if refused is None else refused.status


def call(**fields: JsonValue) -> RpcCall:
    return read_call(dump({"process": "p:k:u", **fields}), "alice.uq")


def test_a_call_needs_a_login_or_the_token() -> None:
    """C-115."""
    assert status(post()) == 401
    assert status(post(), Session.INVALID) == 401
    assert status(post(), Session.VALID) == 200
    assert status(post(authorization="Bearer s3cret")) == 200
    assert status(post(authorization="Bearer wrong")) == 401
    assert (
        check_call(post(authorization="Bearer "), Session.ABSENT, None, NOBODY, open_to_all=False) is not None
    )


def test_an_open_route_takes_callers_of_this_machine_without_credentials() -> None:
    assert status(post(), open_to_all=True) == 200
    assert status(post(authorization="Bearer wrong"), open_to_all=True) == 401
    assert status(post(cookie="a=b"), Session.INVALID, open_to_all=True) == 401
    own_page = post(origin="http://localhost:8080", content_type="application/json")
    assert status(own_page, open_to_all=True) == 401
    assert status(own_page, Session.VALID, open_to_all=True) == 200


@pytest.mark.parametrize(
    "request_head",
    [
        post(peer="203.0.113.9:1"),
        post(x_forwarded_for="127.0.0.1"),
        post(forwarded="for=127.0.0.1"),
        post(host="evil.example"),
        post(origin="http://evil.example", content_type="application/json"),
        post(origin="null", content_type="application/json"),
    ],
)
def test_other_machines_names_and_sites_get_403_whatever_they_hold(request_head: RequestHead) -> None:
    """C-117, C-119."""
    request_head.fields["authorization"] = "Bearer s3cret"
    for session in Session:
        assert status(request_head, session, open_to_all=True) == 403


@pytest.mark.parametrize("mime", [None, "text/plain", "application/jsonp", "text/plain; application/json"])
def test_a_page_must_say_that_it_sends_json(mime: str | None) -> None:
    headers = {} if mime is None else {"content_type": mime}
    assert status(post(origin="http://localhost:8080", **headers), Session.VALID) == 415
    assert status(post(**headers), Session.VALID) == 200
    good = post(origin="http://localhost:8080", content_type="Application/JSON; charset=utf-8")
    assert status(good, Session.VALID) == 200


def test_only_post_is_a_call() -> None:
    assert status(head("GET", ROUTE), Session.VALID) == 405


def test_only_the_process_must_be_named() -> None:
    assert call() == RpcCall(Address("alice.uq", "p:k:u"), b"", None, None, None, Vocabulary.EARLY)


def test_a_call_with_everything() -> None:
    """C-115."""
    found = call(
        node="bob.uq",
        inherit="ignored",
        expects_response=5,
        ipc='"é"',
        metadata="m",
        context=["ignored"],
        mime="a/b",
        data="AQID",
    )
    assert found.target == Address("bob.uq", "p:k:u")
    assert found.payload == Payload("a/b", b"\x01\x02\x03")
    assert found.request(15.0) == Request(expects_response=5, ipc='"é"'.encode(), metadata="m")


def test_the_later_word_for_the_message_is_understood_and_remembered() -> None:
    """C-116."""
    found = call(body="hi")
    assert (found.ipc, found.vocabulary) == (b"hi", Vocabulary.LATER)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "not JSON"),
        (b"{}", "missing key 'process'"),
        (b'{"process":"p:k"}', "Missing field"),
        (b'{"process":"p:k:u:x"}', "Too many colons"),
        (b'{"process":"p:k:u","node":"a@b"}', "Invalid character"),
        (b'{"process":"p:k:u","data":"A"}', "'data' is not base64"),
        (b'{"process":"p:k:u","data":"AQ ID"}', "'data' is not base64"),
        (b'{"process":"p:k:u","data":"\xc3\xa9"}', "'data' is not base64"),
        (b'{"process":"p:k:u","ipc":"a","body":"b"}', "both 'ipc' and 'body'"),
        (b'{"process":"p:k:u","ipc":[1]}', "expected a string"),
        (b'{"process":"p:k:u","expects_response":-1}', "expected an integer"),
    ],
)
def test_a_call_that_cannot_be_read_says_why(body: bytes, problem: str) -> None:
    """C-117."""
    with pytest.raises(BadCall, match=problem):
        read_call(body, "alice.uq")


@pytest.mark.parametrize(
    ("asked", "limit", "waits"), [(None, 15, None), (3, 15, 3), (60, 15, 15), (0, 15, 0), (9, 0.5, 1)]
)
def test_a_call_waits_as_long_as_asked_within_the_limit(
    asked: int | None, limit: float, waits: int | None
) -> None:
    """C-118."""
    assert call(expects_response=asked).seconds(limit) == waits


def test_answers_speak_the_callers_words() -> None:
    """C-115, C-116."""
    payload = Payload(None, b"\x01\x02\x03")
    early = answered(Vocabulary.EARLY, b'"ok"', payload)
    assert early.body == b'{"ipc":[34,111,107,34],"payload":{"mime":null,"bytes":[65,81,73,68]}}'
    later = answered(Vocabulary.LATER, b'"ok"', None)
    assert later.body == b'{"body":[34,111,107,34],"lazy_load_blob":null}'
    assert early.headers == later.headers == [("content-type", "text/html")]


def test_a_call_that_wants_no_answer_gets_an_empty_one() -> None:
    """C-118."""
    assert (sent().status, sent().body) == (200, b"")


def test_failures_are_json_that_names_the_error() -> None:
    """C-117."""
    reply = rpc_error(400, "why")
    assert (reply.status, parse(reply.body)) == (400, {"error": "why"})
    assert came_back(SendErrorKind.Timeout, "slow").status == 408
    assert came_back(SendErrorKind.Offline, "away").status == 503
    assert ("allow", "POST") in rpc_error(405, "no").headers
