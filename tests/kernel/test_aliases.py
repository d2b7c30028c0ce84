from __future__ import annotations

import pytest

from kernel.address import Address, ProcessId
from kernel.aliases import seed_era
from tests.support.kernel_node import kernel_node


@pytest.mark.parametrize(
    ("later", "seed"),
    [
        ("kernel:distro:sys", "kernel:sys:nectar"),
        ("fd-manager:distro:sys", "fd_manager:sys:nectar"),
        ("main:app-store:sys", "main:app_store:nectar"),
        ("main:app_store:sys", "main:app_store:nectar"),
        ("homepage:homepage:sys", "homepage:homepage:nectar"),
        ("terminal:terminal:sys", "terminal:terminal:nectar"),
    ],
)
def test_a_later_name_means_the_process_of_the_seed(later: str, seed: str) -> None:
    """C-012."""
    assert seed_era(ProcessId.from_str(later)) == ProcessId.from_str(seed)


@pytest.mark.parametrize(
    "name", ["main:app_store:nectar", "other:homepage:sys", "main:app-store:me", "a:distro:me"]
)
def test_other_names_mean_themselves(name: str) -> None:
    assert seed_era(ProcessId.from_str(name)) is None


async def test_a_message_to_the_later_name_of_a_package_reaches_the_seed_era_process():
    """C-012: what answers is the seed-era id."""
    async with kernel_node() as node:
        a = await node.puppet("a")
        store = await node.puppet("main:app_store:nectar", public=True)
        await a.send(Address("our", "main:app-store:sys"), b"hello")
        assert (await store.receive()).target == store.address
