"""PROTOCOL 7.10."""

from __future__ import annotations

import pytest

from kernel.message import Request
from sys_processes.eth import process as eth
from tests.support.module_node import ask, module_node


@pytest.mark.parametrize(
    "ipc",
    [b'{"Request":{"chain_id":1,"method":"eth_blockNumber","params":[]}}', b'"anything"', b"", b"\xff"],
)
async def test_whatever_is_asked_is_refused(ipc: bytes) -> None:
    async def script() -> None:
        assert (await ask("eth", ipc)).ipc == b'{"Err":"NoRpcForChain"}'

    async with module_node({"eth": (eth.make(), True)}) as node:
        await node.as_process("chess:chess:nectar", script)
        assert await node.from_another_node("eth", Request(expects_response=5, ipc=ipc)) == [
            b'{"Err":"NoRpcForChain"}'
        ]
