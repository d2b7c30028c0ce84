"""A WebSocket client that compares every echo, byte for byte, with what it sent.

`python -m scripts.benchmarks.echo_load URL CLIENTS text|binary SIZE SECONDS [REGISTER]` prints one JSON line.
With REGISTER each connection first sends that text and waits for a channel id. One message a connection is in flight.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time

import picows

WARM_UP_SECONDS = 0.3


class Totals:
    def __init__(self) -> None:
        self.good = 0
        self.bad = 0
        self.running = True


class EchoClient(picows.WSListener):
    def __init__(self, totals: Totals, kind: picows.WSMsgType, fill: bytes, register: str | None) -> None:
        super().__init__()
        self.totals, self.kind, self.fill, self.register = totals, kind, fill, register
        self.ready = asyncio.get_running_loop().create_future()
        self.number = 0
        self.sent = b""

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        self.transport = transport
        if self.register is None:
            self.ready.set_result(None)
        else:
            transport.send(picows.WSMsgType.TEXT, self.register.encode())

    def send_next(self) -> None:
        self.number += 1
        self.sent = b"%012d" % self.number + self.fill
        self.transport.send(self.kind, self.sent)

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        if frame.msg_type == picows.WSMsgType.CLOSE:
            self.totals.bad += self.totals.running
            transport.disconnect()
        elif not self.ready.done():
            self.ready.set_result(json.loads(frame.get_payload_as_bytes())["channel_id"])
        else:
            same = frame.msg_type == self.kind and frame.get_payload_as_bytes() == self.sent
            self.totals.good += same
            self.totals.bad += not same
            if self.totals.running:
                self.send_next()


async def main(
    url: str,
    clients: int,
    kind: str,
    size: int,
    seconds: float,
    register: str | None,
    client_class: type[EchoClient] = EchoClient,
) -> None:
    totals = Totals()
    message_type = picows.WSMsgType.TEXT if kind == "text" else picows.WSMsgType.BINARY
    fill = b"x" * (size - 12) if kind == "text" else os.urandom(size - 12)
    connected = []
    for _ in range(clients):
        client = client_class(totals, message_type, fill, register)
        await picows.ws_connect(lambda ready=client: ready, url, max_frame_size=1 << 20)
        await asyncio.wait_for(client.ready, 10)
        connected.append(client)
    for client in connected:
        client.send_next()
    await asyncio.sleep(WARM_UP_SECONDS)
    first, begin = totals.good, time.perf_counter()
    await asyncio.sleep(seconds)
    count, lasted = totals.good - first, time.perf_counter() - begin
    totals.running = False
    await asyncio.sleep(0.05)
    if totals.bad or not count:
        raise SystemExit(f"{totals.bad} echoes differ or were cut off, {count} came back as sent")
    print(json.dumps({"count": count, "seconds": lasted, "notes": {}}))


if __name__ == "__main__":
    url, clients, kind, size, seconds, *register = sys.argv[1:]
    asyncio.run(main(url, int(clients), kind, int(size), float(seconds), register[0] if register else None))
