"""A line that is written is the line that is read."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.address import Address, ProcessId
from kernel.capability import Capability, SignedCapability
from kernel.codec import Malformed
from kernel.message import KernelMessage, OnExit, Payload, Request, Response
from runtime.record import lines
from runtime.record.lines import LINE, Blob, Whole, WholePayload
from runtime.sim.strategies import addresses, capabilities, process_ids, signed_capabilities, text

PID = ProcessId("app", "app", "me")
OUR = Address("alice.uq", PID)
DIGEST = lines.Digest(3, "00" * 32, "abc")
SAID = lines.Said(OUR, True, False, 5, DIGEST, "m", ["n@a:b:c^x"], lines.PayloadDigest("text/plain", DIGEST))
WHOLE = Whole(OUR, OUR, None, True, False, 5, Blob(b"ipc"), None, [], None)

EVERY = [
    lines.Record(lines.FORMAT, "alice.uq", 1.5, 1_700_000_000.25, {"python": "3"}),
    lines.Code("00", "/app:me/pkg", {"app.py": "x = 1\n"}),
    lines.Created(1.0, PID, None, "", "/app.py", None, "", OnExit.restart(), True, False, 1, 2, []),
    lines.Created(1.0, PID, PID, "1.0", "/app.py", "00", "app", OnExit.none(), True, False, 1, 2, []),
    lines.Started(1.0, PID, None),
    lines.Ending(1.0, PID, "KILLED", kept=True),
    lines.Exited(1.0, PID, "1.0", "CRASH"),
    lines.Granted(1.0, PID, None, "n@a:b:c^x"),
    lines.Revoked(1.0, PID, PID, "n@a:b:c^x"),
    lines.Appended(1.0, PID, 2**64 - 1, WHOLE),
    lines.Appended(1.0, PID, 1, None),
    lines.Answered(1.0, PID, 1, WHOLE),
    lines.Returned(1.0, PID, 1, "Timeout", "no_such_process", definite=True, detail="no"),
    lines.Fired(1.0, PID, 1),
    lines.Forgotten(1.0, PID, 1),
    lines.Began(1.0, PID, "1.0"),
    lines.Waits(1.0, PID, "1.n1", "sleep 0.1"),
    lines.GoesOn(1.0, PID, "1.0", "code", lines.Failure("SpawnError", "no", "NoFileAtPath")),
    lines.Took(1.0, PID, "", 1),
    lines.Sent(1.0, PID, "1.0", 1, SAID),
    lines.Now(1.0, PID, "1.0", 1_700_000_000.123456),
    lines.Drew(1.0, PID, "1.0", "process name", 64, "ff"),
    lines.Seeded(1.0, PID, "1.0", "app:app:me", "ff" * 32),
    lines.Secret(1.0, PID, "1.0", "key", 32),
    lines.Signed(1.0, "00", "11"),
    lines.Verified(1.0, "bob.uq", "00", "11", genuine=False),
    lines.Ended(1.0),
]


@pytest.mark.parametrize("line", EVERY, ids=lambda line: type(line).__name__)
def test_every_kind_of_line_is_read_as_it_was_written(line: lines.Line):
    raw = LINE.encode(line)
    assert b"\n" not in raw
    assert LINE.decode(raw) == line


def test_every_kind_of_line_is_among_these():
    assert {type(line) for line in EVERY} == set(lines.Line.__args__)


@given(st.binary())
def test_any_bytes_are_text_or_base64(data: bytes):
    line = attrs.evolve(EVERY[9], whole=attrs.evolve(WHOLE, ipc=Blob(data)))
    assert LINE.decode(LINE.encode(line)) == line


def test_what_is_no_base64_is_refused():
    raw = LINE.encode(EVERY[9]).replace(b'"ipc":"ipc"', b'"ipc":{"base64":"!"}')
    with pytest.raises(Malformed, match="base64"):
        LINE.decode(raw)


@given(
    source=addresses(),
    to=process_ids(),
    asked=st.booleans(),
    ipc=st.binary(max_size=20),
    metadata=st.none() | text(),
    held=st.lists(capabilities() | signed_capabilities(), max_size=2),
    payload=st.none() | st.builds(Payload, st.none() | text(), st.binary(max_size=20)),
)
def test_a_whole_message_is_what_the_kernel_had(
    source: Address,
    to: ProcessId,
    asked: bool,
    ipc: bytes,
    metadata: str | None,
    held: list[Capability | SignedCapability],
    payload: Payload | None,
):
    target = Address("alice.uq", to)
    content = None if payload is None else WholePayload(payload.mime, Blob(payload.bytes))
    whole = Whole(source, target, None, asked, True, 5 if asked else None, Blob(ipc), metadata, held, content)
    decoded = LINE.decode(LINE.encode(lines.Appended(0.0, to, 7, whole)))
    assert isinstance(decoded, lines.Appended)
    assert decoded.whole is not None
    envelope: KernelMessage = decoded.whole.envelope(7)
    message: Request | Response = (
        Request(True, 5, ipc, metadata, tuple(held)) if asked else Response(True, ipc, metadata, tuple(held))
    )
    assert (envelope.id, envelope.source, envelope.target) == (7, source, target)
    assert (envelope.message, envelope.payload) == (message, payload)
