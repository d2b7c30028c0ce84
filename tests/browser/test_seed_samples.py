"""The samples of the WebSocket page that people start from, as written, sent from `onopen` where they do not wait."""

from __future__ import annotations

from tests.browser.talking_app import APP, PAGE, heard
from tests.support.browser import Tab

# The process is that of the test; what arrives is shown.
BY_THE_CLIENT = f"""
const api = new NectarEncryptorApi({{
  nodeId: window.our.node, // this is set if the /our.js script is present in index.html
  processId: "{APP}",
  onOpen: (_event, api) => {{
    console.log('Connected to nectar node')
    // Send a message to the node via WebSocket
    api.send({{ data: 'Hello World' }})
  }},
  onMessage: (data) => told.push(["message", data]),
}})
"""

BY_HAND = f"""
function getCookie(name) {{
    const cookies = document.cookie.split(';');
    for (let i = 0; i < cookies.length; i++) {{
        const cookie = cookies[i].trim();
        if (cookie.startsWith(name)) {{
            return cookie.substring(name.length + 1);
        }}
    }}
}}

const websocket = new WebSocket("http://localhost:8080/");

const message = JSON.stringify({{
    "auth_token": getCookie(`nectar-auth_${{nodeId}}`),
    "target_process": "{APP}",
    "encrypted": false,
}});

websocket.onopen = () => websocket.send(message);
websocket.onmessage = (event) => {{
    told.push(["message", JSON.parse(event.data)]);
    websocket.onmessage = (event) => told.push(["message", JSON.parse(event.data)]);
    websocket.send("Hello World");
}};
"""


def test_the_sample_with_the_client_works_as_written(page: Tab):
    said: list[str] = []
    # A browser's own words, about a missing icon for instance, are no log lines.
    page.page.on("console", lambda message: said.append(message.text) if message.type == "log" else None)
    page.run("() => { window.told = [] }")
    page.page.add_script_tag(content=BY_THE_CLIENT)
    assert page.wait_told("message") == [heard('"Hello World"')]
    assert said == ["Connected to nectar node"]


def test_the_sample_with_a_socket_of_its_own_works_when_it_sends_from_onopen(page: Tab):
    """C-120."""
    page.run("() => { window.told = []; window.nodeId = our.node }")
    page.page.add_script_tag(content=BY_HAND.replace("8080", str(page.node.port)))
    registered, said_back = page.wait_told("message", 2)
    assert list(registered) == ["channel_id"]
    assert said_back == heard("Hello World", "Text")


def test_a_page_loads_the_client_as_the_readme_says(page: Tab):
    page.run("() => { window.told = [] }")
    page.page.add_script_tag(
        type="module",
        content='import Api from "/client.js"; told.push(["same", Api === window.NectarEncryptorApi])',
    )
    assert page.wait_told("same") == [True]
    assert page.url(PAGE) == page.page.url
