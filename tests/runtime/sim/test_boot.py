"""One run of a node: its keys, and clients that a crash cuts off."""

from __future__ import annotations

import pytest
import trio

from runtime.sim.boot import PASSWORD, derived_seed, identity_of, record_of, secrets_of
from sys_processes.net.identity import verify_record
from tests.support.worlds import echo, passes


async def test_a_name_has_the_same_sound_identity_in_every_world():
    record = record_of("alice.nec", 3)
    verify_record(record)
    assert record.serial == 3
    assert record.public_key == identity_of("alice.nec").public_key != identity_of("bob.nec").public_key
    secrets = secrets_of("alice.nec")
    assert await secrets.check_password(PASSWORD)
    assert not await secrets.check_password("guess")


def test_a_derived_seed_is_one_for_its_purpose():
    assert derived_seed("chance", 1) == derived_seed("chance", 1)
    seeds = {
        derived_seed("chance", seed, name, run) for seed in range(3) for name in "ab" for run in range(3)
    }
    assert len(seeds) == 18


def test_a_crash_resets_the_clients_of_the_node():
    async def crashes(w):
        node = await w.node("alice.nec", [echo])
        await node.ask("echo")
        early, late = node.connect(), node.connect()
        await early.send_all(b"GET / HTTP/1.1\r\n")
        await w.sleep(0.1)
        node.crash()
        for stream in (early, late):
            with pytest.raises(trio.BrokenResourceError):
                await stream.receive_some()
        await node.restart()
        client = node.connect()
        await client.send_all(b"GET /nothing HTTP/1.1\r\nhost: alice.nec\r\nconnection: close\r\n\r\n")
        assert (await client.receive_some()).startswith(b"HTTP/1.1 ")

    passes(crashes)
