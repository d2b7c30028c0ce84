"""What `eth:sys:nectar` answers (PROTOCOL 7.10): that this node knows no chain."""

from __future__ import annotations

from typing import Final

import attrs

from kernel.address import ProcessId
from kernel.codec import Err, Shape, unit

ETH = ProcessId("eth", "sys", "nectar")


@unit
@attrs.frozen
class NoRpcForChain:
    pass


ETH_RESPONSE: Shape[Err[NoRpcForChain]] = Shape(Err[NoRpcForChain])
REFUSAL: Final = ETH_RESPONSE.encode(Err(NoRpcForChain()))
