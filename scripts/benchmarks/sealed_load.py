"""`echo_load` on encrypted channels: each echo is opened and compared with what was sealed.

`python -m scripts.benchmarks.sealed_load URL CLIENTS SIZE SECONDS REGISTER` prints one JSON line; REGISTER is plain.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from functools import cache

import picows
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256

from scripts.benchmarks.echo_load import EchoClient, main


@cache
def private_key() -> RSAPrivateKey:
    return generate_private_key(65537, 2048)


def with_key(register: str) -> str:
    modulus = private_key().public_key().public_numbers().n.to_bytes(256, "big")
    return json.dumps({**json.loads(register), "encrypted": True, "public_key_hex": modulus.hex()})


class SealedEchoClient(EchoClient):
    def send_next(self) -> None:
        self.number += 1
        self.sent = b"%012d" % self.number + self.fill
        nonce = os.urandom(12)
        self.transport.send(self.kind, self.cipher.encrypt(nonce, self.sent, None) + nonce)

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        payload = frame.get_payload_as_bytes()
        if frame.msg_type == picows.WSMsgType.CLOSE:
            self.totals.bad += self.totals.running
            transport.disconnect()
        elif not self.ready.done():
            answer = json.loads(payload)
            sealed = bytes.fromhex(answer["encrypted_secret"])
            self.cipher = AESGCM(private_key().decrypt(sealed, OAEP(MGF1(SHA256()), SHA256(), None)))
            self.ready.set_result(answer["channel_id"])
        else:
            same = self.cipher.decrypt(payload[-12:], payload[:-12], None) == self.sent
            self.totals.good += same
            self.totals.bad += not same
            if self.totals.running:
                self.send_next()


if __name__ == "__main__":
    url, clients, size, seconds, register = sys.argv[1:]
    asyncio.run(
        main(url, int(clients), "binary", int(size), float(seconds), with_key(register), SealedEchoClient)
    )
