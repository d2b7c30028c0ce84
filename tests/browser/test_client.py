"""The browser client on a plain channel, in Chromium, against a node (PROTOCOL 6.12, 6.14)."""

from __future__ import annotations

from tests.browser.talking_app import APP, COOKIE, PAGE, heard
from tests.support.browser import RECORDING, Tab

# -- a channel


def test_a_client_opens_a_channel_sends_and_is_answered(page: Tab):
    """C-120, C-126."""
    page.connect()
    (channel,) = page.wait_told("open")
    assert channel > 0
    page.send("Hello World")
    assert page.wait_told("message") == [heard('"Hello World"')]
    assert page.run("() => [api.isOpen, api.encrypted, api.channelId]") == [True, False, None]


def test_the_module_exports_the_client_twice_and_lays_it_on_the_window(page: Tab):
    script = "() => import('/client.js').then((m) => [m.default, m.NectarEncryptorApi].map((c) => c === window.%s))"
    assert page.run(script % "NectarEncryptorApi") == [True, True]


def test_node_and_process_are_those_of_the_page_unless_given(page: Tab):
    page.connect()
    assert page.run("() => [api.nodeId, api.processId, api.uri]") == [
        "fake.dev", APP, f"ws://localhost:{page.node.port}/",
    ]  # fmt: skip
    page.connect(nodeId="other.dev", processId="a:b:c", uri="https://other.dev/x", channelId="mine")
    assert page.run("() => [api.nodeId, api.processId, api.uri, api.channelId]") == [
        "other.dev", "a:b:c", "wss://other.dev/x", "mine",
    ]  # fmt: skip


def test_options_that_can_never_work_throw_at_once(page: Tab):
    problems = {
        "{ processId: 'chat' }": "processId chat is none: it has three parts",
        "{ processId: '' }": "has no processId: give it",
        "{ nodeId: '' }": "has no nodeId: load /our.js first",
        "{ uri: 'ftp://here/' }": "uri ftp://here/ is none of a node",
    }
    for options, problem in problems.items():
        thrown = page.thrown(f"new NectarEncryptorApi({options})")
        assert thrown.startswith("TypeError: ")
        assert problem in thrown


# -- frames


def test_json_text_and_bytes_arrive_as_what_they_are(page: Tab):
    """C-129."""
    page.connect()
    for sent in ({"text": '{"a": [1]}'}, {"text": "no JSON"}, {"bytes": [0, 255]}, {"bytes": [*b'{"b": 2}']}):
        page.send(sent)
    assert page.wait_told("message", 4) == [{"a": [1]}, "no JSON", {"bytes": [0, 255]}, {"b": 2}]


def test_a_handler_that_wants_the_frame_itself_gets_it_too(page: Tab):
    script = """() => new Promise((resolve) => {
      new NectarEncryptorApi({
        onOpen: (_event, api) => api.send({ data: { bytes: [...new TextEncoder().encode("[1]")] } }),
        onMessage: (data, api, frame) => { resolve([data, frame.byteLength]); api.close(); },
      });
    })"""
    assert page.run(script) == [[1], 3]


def test_bytes_are_sent_as_they_are_and_as_they_were(page: Tab):
    page.connect()
    page.run("""() => {
      const bytes = new Uint8Array([1, 2, 254, 255]);
      api.send({ data: bytes.subarray(2) });
      api.send({ data: bytes.buffer });
      bytes.fill(0);
    }""")
    assert page.wait_told("message", 2) == [heard("\xfe\xff"), heard("\x01\x02\xfe\xff")]


def test_what_has_no_json_throws(page: Tab):
    page.connect()
    for data in ("undefined", "() => 1", "new Blob(['x'])", "1n"):
        assert page.thrown(f"api.send({{ data: {data} }})").startswith("TypeError: ")


def test_what_is_sent_too_early_waits_and_what_onopen_sends_goes_ahead(page: Tab):
    page.run("""() => {
      window.told = [];
      window.api = new NectarEncryptorApi({
        onOpen: (_event, api) => api.send({ data: 0 }),
        onMessage: (data) => told.push(["message", data.heard]),
      });
      for (const number of [1, 2, 3]) api.send({ data: number });
    }""")
    assert page.wait_told("message", 4) == ["0", "1", "2", "3"]


def test_a_thousand_messages_wait_and_the_next_is_told(page: Tab):
    page.connect()
    page.run("() => { window.told.length = 0 }")
    page.run("""() => {
      api.close();
      window.later = [];
      window.api = new NectarEncryptorApi({
        onMessage: (data) => told.push(["message", Number(data.heard)]),
        onError: (error) => told.push(["error", error.kind]),
      });
      for (let number = 0; number < 1001; number++) api.send({ data: number });
      api.send({ data: new ArrayBuffer(17 << 20) });
    }""")
    assert page.told("error") == ["queue_full", "queue_full"]
    assert page.wait_told("message", 1000) == list(range(1000))


# -- endings


def test_a_closed_client_tells_so_and_stays_closed(page: Tab):
    page.connect()
    page.wait_told("open")
    page.run("() => api.close()")
    assert page.wait_told("close") == [1000]
    page.send("too late")
    assert page.told("error") == ["closed: a message was not sent: the client is closed"]
    assert page.run("() => [api.isOpen, api.channel]") == [False, None]


def test_what_was_sent_before_the_close_arrives(page: Tab):
    page.connect()
    page.wait_told("open")
    page.run("() => { for (let i = 0; i < 50; i++) api.send({ data: i }); api.close() }")
    page.wait_told("close")
    page.connect()
    page.send({"recent": 50})
    assert page.wait_told("message") == [[str(i) for i in range(50)]]


def test_a_channel_that_the_process_closes_is_over(page: Tab):
    """C-133."""
    page.connect()
    page.send({"close": True})
    assert page.wait_told("close") == [1000]
    page.send("too late")
    assert page.told("error") == ["closed: a message was not sent: the client is closed"]


def test_what_a_handler_sends_when_the_process_has_closed_is_told_as_not_sent(page: Tab):
    page.run("""() => {
      window.told = [];
      window.api = new NectarEncryptorApi({
        onOpen: (_event, api) => api.send({ data: { close: true } }),
        onClose: (_event, api) => { api.send({ data: "anybody?" }); told.push(["close", api.isOpen]); },
        onError: (error) => told.push(["error", error.kind]),
      });
    }""")
    assert page.wait_told("close") == [False]
    assert page.told("error") == ["closed"]


def test_a_client_closed_before_its_socket_is_open_stays_closed(page: Tab):
    # In one step of the page: else the node may be quicker than the next word to the page.
    page.run(f"() => {{ ({RECORDING})({{}}); api.send({{ data: 1 }}); queueMicrotask(() => api.close()) }}")
    page.wait_told("close")
    assert page.told("open") == page.told("message") == page.told("error") == []
    page.page.clock.install()
    page.page.clock.fast_forward(60_000)
    assert len(page.told("close")) == 1


def test_a_message_larger_than_the_node_takes_is_told_and_the_channel_comes_back(page: Tab):
    page.connect()
    page.wait_told("open")
    page.run("() => api.send({ data: new ArrayBuffer((10 << 20) + 1) })")
    page.wait_told("open", 2)
    assert page.told("close") == [1009]
    (error,) = page.told("error")
    assert error.startswith("too_large: ")
    page.send("again")
    assert page.wait_told("message") == [heard('"again"')]


def test_a_process_that_starts_again_gets_its_client_back(page: Tab):
    """C-146."""
    page.connect()
    (first,) = page.wait_told("open")
    page.send({"crash": True})
    assert page.wait_told("close")[0] == 1001
    second = page.wait_told("open", 2)[-1]
    assert second != first
    page.send("again")
    assert page.wait_told("message") == [heard('"again"')]


def test_a_handler_that_throws_is_reported_and_harms_nothing(page: Tab):
    errors: list[str] = []
    page.page.on("pageerror", lambda error: errors.append(error.message))
    page.run("""() => {
      window.told = [];
      window.api = new NectarEncryptorApi({
        onOpen: () => { throw new Error("in onOpen") },
        onMessage: (data) => { told.push(["message", data]); throw new Error("in onMessage") },
      });
      api.send({ data: 1 });
      api.send({ data: 2 });
    }""")
    assert page.wait_told("message", 2) == [heard("1"), heard("2")]
    assert errors == ["in onOpen", "in onMessage", "in onMessage"]


# -- refusals


def give_up(page: Tab) -> None:
    """Let all its waits pass. The clock of the page must be installed."""
    for times in range(1, 6):
        page.wait_told("close", times)
        page.page.clock.fast_forward(60_000)


def test_without_a_login_it_is_refused_says_why_and_gives_up(tab: Tab):
    """C-123."""
    tab.page.clock.install()
    tab.visit(PAGE)
    tab.connect()
    give_up(tab)
    errors = tab.told("error")
    assert len(errors) == 5
    assert all(error.startswith(f"refused: fake.dev refused a channel of {APP}") for error in errors)
    assert all(f"there is no cookie {COOKIE}, so log in" in error for error in errors)
    assert tab.told("close") == [1008] * 5
    assert tab.told("open") == []
    tab.send("too late")
    assert tab.told("error")[-1].startswith("closed: ")


def test_what_waited_when_it_gives_up_is_counted(tab: Tab):
    tab.page.clock.install()
    tab.visit(PAGE)
    tab.connect()
    tab.send(1)
    tab.send(2)
    give_up(tab)
    assert tab.told("error")[-1].endswith("; 2 messages that waited were not sent")


def test_a_refused_client_comes_in_with_the_cookie_of_a_later_login(tab: Tab):
    tab.visit(PAGE)
    tab.connect()
    tab.wait_told("close")
    tab.log_in()
    assert len(tab.wait_told("open")) == 1


def test_the_cookie_is_that_of_this_node_and_of_none_with_a_longer_name(tab: Tab):
    tab.page.context.add_cookies([{"name": f"{COOKIE}.other", "value": "none", "url": tab.url("/")}])
    tab.visit(PAGE)
    tab.log_in()
    tab.connect()
    assert len(tab.wait_told("open")) == 1


def test_a_process_that_does_not_run_refuses(page: Tab):
    """C-125."""
    page.connect(processId="nobody:at:home")
    assert page.wait_told("close")[0] == 1008
    assert "the process does not run" in page.told("error")[0]


def test_a_node_that_is_not_there_is_tried_again_with_longer_waits(page: Tab):
    page.page.clock.install()
    page.visit(PAGE)
    page.connect(uri="http://localhost:1/")
    page.wait_told("close")
    page.page.clock.fast_forward(500)
    page.wait_told("close", 2)
    page.page.clock.fast_forward(499)
    page.page.clock.fast_forward(501)
    page.wait_told("close", 3)
    assert page.told("close") == [1006] * 3
    assert all(
        error.startswith("unreachable: no channel at ws://localhost:1/") for error in page.told("error")
    )


# -- other paths


def test_it_registers_on_the_path_of_a_process_that_bound_none(page: Tab):
    """C-141."""
    page.connect(uri=PAGE)
    page.wait_told("open")
    page.send("over the bridge")
    assert page.wait_told("message") == [heard('"over the bridge"')]


def test_on_a_bound_path_the_register_is_swallowed_and_the_channel_is_there_at_once(page: Tab):
    """C-138, C-140."""
    page.connect(uri=f"{PAGE}bound")
    assert page.wait_told("open") == [None]
    page.send({"text": '{"channel_id": 1, "more": 2}'})
    page.send("second")
    assert page.wait_told("message", 2) == [{"channel_id": 1, "more": 2}, heard('"second"')]
    page.connect(uri=f"{PAGE}greeting")
    assert page.wait_told("message") == ["/greeting"]


# -- fetchJson


def test_fetch_json_asks_the_process_of_the_client(page: Tab):
    page.connect()
    got = page.run("() => api.fetchJson('/answers?status=200')")
    assert got == {"method": "GET", "body": "", "type": None}
    assert page.run("() => api.fetchJson('answers?status=200')") == got
    assert page.run(f"() => api.fetchJson('{PAGE}answers?status=200')") == got
    assert page.run(f"() => api.fetchJson('{page.url(PAGE)}answers?status=200')") == got
    posted = page.run("() => api.fetchJson('/answers?status=200', { body: { a: 1 } })")
    assert posted == {"method": "POST", "body": '{"a":1}', "type": "application/json"}
    put = page.run("() => api.fetchJson('/answers?status=200', { method: 'PUT', body: [] })")
    assert put["method"] == "PUT"
    assert page.run("() => api.fetchJson('/answers?status=204')") is None


def test_fetch_json_throws_what_is_no_json_or_no_success(page: Tab):
    page.connect()
    for path, problem in [
        ("/", "answered 200: no JSON: <!doctype"),
        ("/100%", "/100% answered 200: no JSON: <!doctype"),
        ("/answers?status=500", "answered 500: said in words"),
    ]:
        thrown = page.thrown(f"await api.fetchJson('{path}')")
        assert thrown.startswith(f"NectarError: {page.url(PAGE)}")
        assert problem in thrown
