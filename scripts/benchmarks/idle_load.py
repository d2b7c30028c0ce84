"""Many WebSockets that stay open, and one message to each of them.

`python -m scripts.benchmarks.idle_load URL CLIENTS` says `open` when all are open. Given a line it sends `push` on the
last of them, waits until each was sent one `hello`, and prints one JSON line.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

import picows

AT_ONCE = 50
PATIENCE = 60
PUSH, HELLO = b"push", b"hello"


class Heard:
    def __init__(self, clients: int) -> None:
        self.missing = clients
        self.bad = 0
        self.all = asyncio.Event()


class IdleClient(picows.WSListener):
    def __init__(self, heard: Heard) -> None:
        super().__init__()
        self.heard = heard
        self.number = 0

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        self.number += 1
        if (
            frame.msg_type != picows.WSMsgType.TEXT
            or frame.get_payload_as_bytes() != HELLO
            or self.number > 1
        ):
            self.heard.bad += 1
        self.heard.missing -= 1
        if self.heard.missing == 0:
            self.heard.all.set()

    def on_ws_disconnected(self, transport: picows.WSTransport) -> None:
        self.heard.bad += self.number != 1


async def main(url: str, clients: int) -> None:
    heard = Heard(clients)
    opened: list[picows.WSTransport] = []
    while len(opened) < clients:
        share = min(AT_ONCE, clients - len(opened))
        made = await asyncio.gather(
            *(picows.ws_connect(lambda: IdleClient(heard), url) for _ in range(share))
        )
        opened += [transport for transport, _ in made]
    print("open", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    begin = time.perf_counter()
    opened[-1].send(picows.WSMsgType.TEXT, PUSH)
    await asyncio.wait_for(heard.all.wait(), PATIENCE)
    lasted = time.perf_counter() - begin
    await asyncio.sleep(0.1)
    if heard.bad or heard.missing:
        raise SystemExit(f"{heard.bad} sockets heard something else, {heard.missing} nothing")
    print(json.dumps({"count": clients, "seconds": lasted, "notes": {}}), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
