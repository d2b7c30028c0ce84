"""The wire shapes of http_server: golden lines, both vocabularies, and short cuts that agree with the codec."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.address import ProcessId
from kernel.codec import OK, Err, Malformed, Ok, Shape
from kernel.jsontext import dump, parse
from kernel.message import Payload
from runtime.sim.strategies import json_values, mutated, text
from sys_processes.http_server.protocol import (
    ACTION,
    ANSWER,
    CHANNEL_CLOSED,
    CHANNEL_NOT_FOUND,
    CHANNEL_NOT_OWNED,
    CONTROL_TOO_LONG,
    OPEN_NOT_VALID,
    REGISTER,
    REGISTERED,
    REGISTERED_ENCRYPTED,
    REQUEST,
    RESPONSE,
    RPC_ANSWER,
    RPC_ANSWER_LATER,
    RPC_REQUEST,
    BadRequest,
    Bind,
    Http,
    HttpResponse,
    HttpServerAction,
    HttpServerError,
    HttpServerRequest,
    IncomingHttpRequest,
    InvalidSourceProcess,
    MalformedRequest,
    NoBlob,
    NoPayload,
    PathBindError,
    RpcAnswer,
    RpcAnswerLater,
    RpcRequest,
    SecureBind,
    Timeout,
    Unbind,
    UnexpectedResponse,
    WebSocketBind,
    WebSocketClose,
    WebSocketOpen,
    WebSocketPush,
    WebSocketSecureBind,
    WebSocketUnbind,
    WsChannelNotFound,
    WsEncryptedRegisterResponse,
    WsMessageType,
    WsPingPongTooLong,
    WsRegister,
    WsRegisterResponse,
)
from tests.support.golden import golden

TOKEN = "eyJhbGciOiJIUzI1NiJ9.e30.AAAA"
CHESS = ProcessId.from_str("chess:chess:nectar")
CALL = IncomingHttpRequest(
    "127.0.0.1:51234",
    "GET",
    "http://localhost:8080/chess:chess:nectar/games",
    {"host": "localhost:8080", "cookie": "nectar-auth_alice.uq=abc"},
    {"id": "bob.uq"},
    {},
    "/chess:chess:nectar/games",
)

REQUESTS: dict[str, HttpServerRequest] = {
    "request_http": Http(CALL),
    "request_open": WebSocketOpen("/", 3735928559),
    "request_push_text": WebSocketPush(3735928559, WsMessageType.Text),
    "request_push_binary": WebSocketPush(3735928559, WsMessageType.Binary),
    "request_push_ping": WebSocketPush(3735928559, WsMessageType.Ping),
    "request_push_pong": WebSocketPush(3735928559, WsMessageType.Pong),
    "request_push_close": WebSocketPush(3735928559, WsMessageType.Close),
    "request_close": WebSocketClose(3735928559),
}
ACTIONS: dict[str, HttpServerAction] = {
    "action_bind": Bind("/games", True, False, False),
    "action_secure_bind": SecureBind("/vault", False),
    "action_unbind": Unbind("/games"),
    "action_ws_bind": WebSocketBind("/", True),
    "action_ws_secure_bind": WebSocketSecureBind("/"),
    "action_ws_unbind": WebSocketUnbind("/"),
    "action_push": WebSocketPush(1, WsMessageType.Text),
    "action_close": WebSocketClose(1),
    "action_open": WebSocketOpen("/", 1),
}
ANSWERS: dict[str, Ok[None] | Err[HttpServerError]] = {
    "answer_ok": Ok(None),
    "answer_bad_request": Err(BadRequest("{nonsense")),
    "answer_no_payload": Err(NoPayload()),
    "answer_path_bind_error": Err(PathBindError("why")),
    "answer_not_found": Err(CHANNEL_NOT_FOUND),
    "answer_not_owned": Err(CHANNEL_NOT_OWNED),
    "answer_closed": Err(CHANNEL_CLOSED),
    "answer_control_too_long": Err(CONTROL_TOO_LONG),
    "answer_open_not_valid": Err(OPEN_NOT_VALID),
    "answer_malformed_request": Err(MalformedRequest()),
    "answer_no_blob": Err(NoBlob()),
    "answer_invalid_source": Err(InvalidSourceProcess()),
    "answer_ping_pong_too_long": Err(WsPingPongTooLong()),
    "answer_channel_not_found": Err(WsChannelNotFound()),
    "answer_timeout": Err(Timeout()),
    "answer_unexpected_response": Err(UnexpectedResponse()),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_what_a_process_receives_has_its_golden_line(name: str) -> None:
    """C-098, C-126, C-128."""
    assert REQUESTS[name].to_bytes() == golden(f"http_server/{name}")
    assert HttpServerRequest.from_bytes(golden(f"http_server/{name}")) == REQUESTS[name]


@pytest.mark.parametrize("name", ACTIONS)
def test_what_a_process_asks_has_its_golden_line(name: str) -> None:
    assert ACTION.encode(ACTIONS[name]) == golden(f"http_server/{name}")
    assert ACTION.decode(golden(f"http_server/{name}")) == ACTIONS[name]


@pytest.mark.parametrize("name", ANSWERS)
def test_every_answer_has_its_golden_line(name: str) -> None:
    """C-087, C-088, C-130, C-131, C-132."""
    assert ANSWER.encode(ANSWERS[name]) == golden(f"http_server/{name}")
    assert ANSWER.decode(golden(f"http_server/{name}")) == ANSWERS[name]


def test_success_is_the_constant_of_the_codec() -> None:
    """C-087."""
    assert golden("http_server/answer_ok") == OK


@pytest.mark.parametrize(
    ("name", "shape", "value"),
    [
        ("response", RESPONSE, HttpResponse(200, {"Content-Type": "text/html"})),
        ("register", REGISTER, WsRegister(TOKEN, CHESS, False)),
        ("register_response", REGISTERED, WsRegisterResponse(3735928559)),
        ("register_encrypted", REGISTER, WsRegister(TOKEN, CHESS, True, "c0ffee")),
        (
            "register_encrypted_response",
            REGISTERED_ENCRYPTED,
            WsEncryptedRegisterResponse(3735928559, "0a0b", "0c0d"),
        ),
        ("register_encrypted_signed", REGISTER, WsRegister(TOKEN, CHESS, True, "c0ffee", True)),
        (
            "register_encrypted_signed_response",
            REGISTERED_ENCRYPTED,
            WsEncryptedRegisterResponse(3735928559, "0a0b", "0c0d", "0e0f"),
        ),
        (
            "rpc_request",
            RPC_REQUEST,
            RpcRequest(
                "main:app_store:nectar",
                expects_response=15,
                ipc='{"Apps":null}',
                mime="application/octet-stream",
                data="AQID",
            ),
        ),
        ("rpc_answer", RPC_ANSWER, RpcAnswer(b'"ok"', Payload(None, b"AQID"))),
        ("rpc_answer_later", RPC_ANSWER_LATER, RpcAnswerLater(b'"ok"', None)),
    ],
)
def test_what_clients_and_answers_look_like(name: str, shape: Shape[object], value: object) -> None:
    """C-097, C-115, C-116, C-120."""
    assert shape.encode(value) == golden(f"http_server/{name}")
    assert shape.decode(golden(f"http_server/{name}")) == value


def test_the_earliest_runtime_wrote_an_opened_socket_as_a_number() -> None:
    assert HttpServerRequest.from_bytes(b'{"WebSocketOpen":3735928559}') == WebSocketOpen("/", 3735928559)


def test_a_call_of_the_first_era_is_read() -> None:
    raw = b'{"Http":{"source_socket_addr":null,"method":"GET","raw_path":"http://h:1/a:b:c/x","headers":{},"query_params":{}}}'
    call = HttpServerRequest.from_bytes(raw).request()
    assert call is not None
    assert (call.url(), call.path(), call.bound_path()) == ("http://h:1/a:b:c/x", "/x", "/a:b:c/x")


def test_a_call_of_the_third_era_is_read() -> None:
    raw = (
        b'{"Http":{"source_socket_addr":"1.2.3.4:5","method":"GET","url":"http://h/a:b:c/x/7","bound_path":"/a:b:c/x/:id",'
        b'"headers":{},"url_params":{"id":"7"},"query_params":{}}}'
    )
    call = HttpServerRequest.from_bytes(raw).request()
    assert call is not None
    assert (call.raw_path, call.url_params, call.bound_path("a:b:c")) == (
        "http://h/a:b:c/x/7",
        {"id": "7"},
        "/x/:id",
    )


def test_a_call_without_any_url_is_malformed() -> None:
    raw = b'{"Http":{"source_socket_addr":null,"method":"GET","headers":{},"query_params":{}}}'
    with pytest.raises(Malformed, match="missing key 'raw_path' or 'url'"):
        HttpServerRequest.from_bytes(raw)


def test_an_unknown_variant_is_told_all_that_are_known() -> None:
    with pytest.raises(Malformed, match="known are Http, WebSocketOpen, WebSocketPush, WebSocketClose"):
        HttpServerRequest.from_bytes(b'{"WebSocketHello":1}')


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("http://h/a:b:c", "/"),
        ("http://h/a:b:c/", "/"),
        ("http://h/a:b:c/x//y", "/x//y"),
        ("http://h", "/"),
        ("http://h//a:b:c/x", "/a:b:c/x"),
    ],
)
def test_path_is_the_url_below_its_first_segment(url: str, path: str) -> None:
    assert IncomingHttpRequest(None, "GET", url, {}, {}).path() == path


def test_bound_path_strips_a_process_id_only_as_a_whole_segment() -> None:
    at = IncomingHttpRequest(None, "GET", "", {}, {}, {}, "/a:b:cd/x")
    assert at.bound_path("a:b:c") == "/a:b:cd/x"
    assert at.bound_path(ProcessId("a", "b", "cd")) == "/x"
    assert IncomingHttpRequest(None, "GET", "", {}, {}, {}, "/a:b:c").bound_path("a:b:c") == "/"


def test_texts_of_a_call_equal_their_wire_fields_and_may_be_called() -> None:
    """PROTOCOL 5.6, 6.1: fields of the wire, and accessors of the reference."""
    call = IncomingHttpRequest(None, "GET", "http://h/a:b:c/x", {}, {}, {}, "/a:b:c/x")
    assert call.url == call.url() == call.raw_path
    assert call.method == call.method() == "GET"
    assert call.bound_path == call.bound_path() == "/a:b:c/x"
    assert {call.method: 1}["GET"] == 1
    assert isinstance(call.url + call.bound_path, str)
    written = parse(Http(call).to_bytes())
    assert isinstance(written, dict)
    form = written["Http"]
    assert isinstance(form, dict)
    assert (call.url, call.bound_path, call.method) == (form["url"], form["bound_path"], form["method"])


def test_values_by_name_of_a_call_may_be_called_and_travel_as_what_they_hold() -> None:
    """PROTOCOL 5.6."""
    call = IncomingHttpRequest("1.2.3.4:5", "GET", "http://h/", {"a": "1"}, {"q": "2"}, {"id": "3"}, "/:id")
    assert call.headers == call.headers() == {"a": "1"}
    assert call.query_params == call.query_params() == {"q": "2"}
    assert call.url_params == call.url_params() == {"id": "3"}
    assert call.source_socket_addr == call.source_socket_addr() == "1.2.3.4:5"
    assert REQUEST.decode(REQUEST.encode(Http(call))) == Http(call)
    assert dump(REQUEST.dump(Http(call))) == REQUEST.encode(Http(call))
    assert IncomingHttpRequest(None, "GET", "", {}, {}).source_socket_addr is None


def test_the_request_of_an_event_is_an_attribute_and_a_call() -> None:
    """PROTOCOL 5.6."""
    event = HttpServerRequest.from_bytes(Http(CALL).to_bytes())
    match event:
        case Http(request=found):
            assert found == event.request() == CALL
        case other:
            pytest.fail(f"decoded as {other!r}")


@pytest.mark.parametrize("ipc", [None, "{}", 5])
def test_only_bytes_are_read_as_a_request(ipc: bytes) -> None:
    with pytest.raises(TypeError, match=r"from_bytes\(message\.ipc\)"):
        HttpServerRequest.from_bytes(ipc)


def test_variants_are_matched_by_position() -> None:
    match HttpServerRequest.from_bytes(b'{"WebSocketPush":{"channel_id":7,"message_type":"Binary"}}'):
        case WebSocketPush(channel_id, message_type):
            assert (channel_id, message_type) == (7, WsMessageType.Binary)
        case other:
            pytest.fail(f"decoded as {other!r}")
    match REQUEST.decode(Http(CALL).to_bytes()):
        case Http(request):
            assert request == CALL
        case other:
            pytest.fail(f"decoded as {other!r}")
    assert WebSocketClose(1).request() is None


def test_a_response_is_built_step_by_step() -> None:
    built = HttpResponse(200).header("a", "1").header("b", "2").set_status(404)
    assert built == HttpResponse(404, {"a": "1", "b": "2"})
    assert built.set_headers({"c": "3"}).to_bytes() == b'{"status":404,"headers":{"c":"3"}}'


@pytest.mark.parametrize("raw", [b'{"status":200}', b'{"status":65536,"headers":{}}', b'"ok"', b"ok", b""])
def test_an_answer_that_is_no_http_response_is_malformed(raw: bytes) -> None:
    """C-097."""
    with pytest.raises(Malformed):
        RESPONSE.decode(raw)


def test_encrypted_and_extension_may_be_absent() -> None:
    assert ACTION.decode(b'{"WebSocketBind":{"path":"/","authenticated":true}}') == WebSocketBind("/", True)
    assert ACTION.decode(b'{"WebSocketSecureBind":{"path":"/"}}') == WebSocketSecureBind("/")


@pytest.mark.parametrize("key", ["auth_token", "target_process", "encrypted"])
def test_a_register_needs_all_three_keys(key: str) -> None:
    """C-123."""
    form = parse(golden("http_server/register"))
    assert isinstance(form, dict)
    del form[key]
    with pytest.raises(Malformed, match=key):
        REGISTER.decode(dump(form))


# -- the short cuts


SLOW_REQUEST: Shape[HttpServerRequest] = Shape(HttpServerRequest)
SLOW_ACTION: Shape[HttpServerAction] = Shape(HttpServerAction)
SLOW_RESPONSE: Shape[HttpResponse] = Shape(HttpResponse)
U32 = st.integers(0, 2**32 - 1)
TEXT_MAP = st.dictionaries(text(), text(), max_size=3)
KINDS = st.sampled_from(WsMessageType)

incoming = st.builds(
    IncomingHttpRequest, st.none() | text(), text(), text(), TEXT_MAP, TEXT_MAP, TEXT_MAP, text()
)
requests: st.SearchStrategy[HttpServerRequest] = st.one_of(
    st.builds(Http, incoming),
    st.builds(WebSocketOpen, text(), U32),
    st.builds(WebSocketPush, U32, KINDS),
    st.builds(WebSocketClose, U32),
)


def decoded(shape: Shape[object], raw: bytes) -> object:
    try:
        return shape.decode(raw)
    except Malformed:
        return Malformed


@given(requests)
def test_the_short_cuts_write_what_the_codec_writes(value: HttpServerRequest) -> None:
    raw = value.to_bytes()
    assert raw == SLOW_REQUEST.encode(value)
    assert HttpServerRequest.from_bytes(raw) == SLOW_REQUEST.decode(raw) == value


@given(U32, KINDS)
def test_a_push_reads_and_writes_as_the_codec_does(channel_id: int, kind: WsMessageType) -> None:
    push = WebSocketPush(channel_id, kind)
    assert ACTION.encode(push) == SLOW_ACTION.encode(push)
    assert ACTION.decode(ACTION.encode(push)) == push


def damaged(value: HttpServerRequest | HttpResponse) -> st.SearchStrategy[bytes]:
    """JSON near to the value's: one place changed."""
    return mutated(parse(value.to_bytes())).map(dump)


@given(requests.flatmap(damaged))
def test_the_short_cuts_refuse_what_the_codec_refuses(raw: bytes) -> None:
    assert decoded(REQUEST, raw) == decoded(SLOW_REQUEST, raw)
    assert decoded(ACTION, raw) == decoded(SLOW_ACTION, raw)


@pytest.mark.parametrize("key", ["source_socket_addr", "method", "raw_path", "url", "bound_path", "headers"])
@pytest.mark.parametrize("value", [None, 1, "text", ["text"], {"a": 1}, {"a": "b"}, Ellipsis])
def test_a_call_with_one_odd_field_reads_as_the_codec_reads_it(key: str, value: object) -> None:
    form = parse(Http(CALL).to_bytes())
    assert isinstance(form, dict)
    call = form["Http"]
    assert isinstance(call, dict)
    changed = {**call, key: value} if value is not Ellipsis else {k: v for k, v in call.items() if k != key}
    raw = dump({"Http": changed})
    assert decoded(REQUEST, raw) == decoded(SLOW_REQUEST, raw)


def test_a_foreign_class_is_no_request() -> None:
    class Stray(HttpServerRequest):
        pass

    with pytest.raises(TypeError, match="no variant"):
        Stray().to_bytes()


@given(st.builds(HttpResponse, st.integers(0, 2**16 - 1), TEXT_MAP))
def test_a_response_writes_as_the_codec_does(value: HttpResponse) -> None:
    assert value.to_bytes() == SLOW_RESPONSE.encode(value)


@pytest.mark.parametrize(
    "value",
    [
        HttpResponse(2**16),
        HttpResponse(-1),
        HttpResponse(True),
        HttpResponse(200, {"a": 1}),
        HttpResponse(200, {1: "a"}),
    ],  # type: ignore[dict-item]
)
def test_an_odd_response_is_written_or_refused_as_the_codec_does(value: HttpResponse) -> None:
    def written(shape: Shape[HttpResponse]) -> object:
        try:
            return shape.encode(value)
        except TypeError:
            return TypeError

    assert written(RESPONSE) == written(SLOW_RESPONSE)


@given(st.builds(HttpResponse, st.integers(0, 2**16 - 1), TEXT_MAP).flatmap(damaged))
def test_a_response_reads_as_the_codec_reads_it(raw: bytes) -> None:
    assert decoded(RESPONSE, raw) == decoded(SLOW_RESPONSE, raw)


@given(st.one_of(json_values().map(dump), st.binary(max_size=40)))
def test_no_bytes_make_a_reader_raise_anything_but_malformed(raw: bytes) -> None:
    for shape in (REQUEST, ACTION, RESPONSE, REGISTER, RPC_REQUEST):
        decoded(shape, raw)


@pytest.mark.parametrize(
    "raw",
    [
        b'{"WebSocketPush":{"channel_id":4294967296,"message_type":"Text"}}',
        b'{"WebSocketPush":{"channel_id":01,"message_type":"Text"}}',
        b'{"WebSocketPush":{"channel_id":-1,"message_type":"Text"}}',
        b'{"WebSocketPush":{"channel_id":1.0,"message_type":"Text"}}',
        b'{"WebSocketPush":{"channel_id":true,"message_type":"Text"}}',
        b'{"WebSocketPush":{"channel_id":1,"message_type":"text"}}',
        b'{"WebSocketClose":4294967296}',
        b'{"WebSocketOpen":4294967296}',
    ],
)
def test_a_channel_id_is_an_unsigned_integer_of_32_bits(raw: bytes) -> None:
    with pytest.raises(Malformed):
        HttpServerRequest.from_bytes(raw)
