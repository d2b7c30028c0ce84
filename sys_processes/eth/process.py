"""Refuses whatever is asked of a chain (PROTOCOL 7.10), so that who asks is told at once and waits for nothing."""

from __future__ import annotations

from kernel.address import Address
from kernel.codec import Malformed
from kernel.message import Message
from kernel.ports import Init
from sys_processes._serve import Answer, Outcome, serve
from sys_processes.eth.protocol import REFUSAL


class _Eth:
    def decode(self, message: Message) -> None:
        """Whatever it says."""

    async def handle(self, message: Message, request: None) -> Outcome:
        return Answer(REFUSAL)

    def malformed(self, error: Malformed) -> bytes:
        return REFUSAL

    def foreign(self) -> bytes:
        return REFUSAL

    def failed(self, error: Exception) -> bytes:
        return REFUSAL


def make() -> Init:
    async def init(our: Address) -> None:
        await serve(_Eth())

    return init
