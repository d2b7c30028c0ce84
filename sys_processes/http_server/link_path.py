"""Where links of other nodes come in (DESIGN section 6): http_server answers the upgrade, the rest is not its own."""

from __future__ import annotations

from wsproto.utilities import generate_accept_token

from sys_processes.devices import LinkDoor
from sys_processes.http_server.http1 import RequestHead
from sys_processes.http_server.replies import HttpReply, text_reply
from sys_processes.http_server.upgrade import HandOver

LINK_PATH = "/net"


def decide_link(head: RequestHead, links: LinkDoor) -> HttpReply | HandOver:
    """On a well-formed upgrade. Nodes are no browsers: what names an Origin is a page, and has no business here."""
    if head.header("origin") is not None:
        return text_reply(403, "links are for nodes, not for pages")
    if links.is_full:
        return text_reply(503, "too many links are being opened")
    return HandOver(links.serve)


def switching(head: RequestHead) -> bytes:
    """The answer that accepts an upgrade."""
    token = generate_accept_token(head.fields["sec-websocket-key"].encode("ascii"))
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Accept: %s\r\n\r\n" % token
    )
