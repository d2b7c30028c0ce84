"""What holds for every wire shape of the kernel, whatever the value and whatever the bytes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel import debug
from kernel import protocol as wire
from kernel.codec import Err, Malformed, Ok
from kernel.jsontext import JsonValue, parse
from kernel.message import SendErrorKind
from runtime.sim import strategies
from tests.kernel.wire_values import GOLDEN, AnyShape, comparable
from tests.support.golden import golden


def is_value_or_malformed(shape: AnyShape, read: Callable[[], object]) -> bool:
    """A value that is read can be written and read again; an error says where it found what."""
    try:
        value = read()
    except Malformed as error:
        return error.path.startswith("$") and bool(error.problem) and bool(repr(error))
    return comparable(shape.decode(shape.encode(value))) == comparable(value)


_PROCESS_RECORDS = st.builds(
    wire.ProcessRecord,
    strategies.text() | strategies.U64,
    st.none() | st.integers(0, 2**32 - 1),
    strategies.on_exits(),
    st.lists(strategies.capabilities() | strategies.signed_capabilities(), max_size=2).map(tuple),
    st.booleans(),
)
_MANY_CAPABILITIES = st.lists(strategies.capabilities(), max_size=2).map(tuple)
_WIRE_MESSAGES: st.SearchStrategy[wire.WireMessage] = st.one_of(
    strategies.requests().map(wire.RequestMessage),
    st.builds(wire.ResponseMessage, strategies.responses(), strategies.contexts()),
)
_COMMANDS: st.SearchStrategy[object] = st.one_of(
    st.sampled_from((wire.Booted(), wire.Shutdown())),
    st.builds(
        wire.InitializeProcess,
        strategies.process_ids(),
        strategies.text() | strategies.U64,
        st.none() | st.integers(0, 2**32 - 1),
        strategies.on_exits(),
        _MANY_CAPABILITIES,
        st.booleans(),
    ),
    st.builds(wire.GrantCapabilities, strategies.process_ids(), _MANY_CAPABILITIES),
    st.builds(wire.DropCapabilities, strategies.process_ids(), _MANY_CAPABILITIES),
    st.builds(wire.SetOnExit, strategies.process_ids(), strategies.on_exits()),
    st.builds(wire.RunProcess, strategies.process_ids()),
    st.builds(wire.KillProcess, strategies.process_ids()),
    st.builds(
        wire.Debug,
        st.one_of(
            st.just(wire.AskProcesses()),
            st.builds(wire.AskProcess, strategies.process_ids()),
            st.builds(wire.AskHasCap, strategies.process_ids(), strategies.capabilities()),
            st.builds(debug.AskMayMessage, strategies.process_ids(), strategies.process_ids()),
            st.builds(debug.AskTrace, st.none() | st.integers(0, 2**32 - 1)),
            st.builds(debug.AskTimeUsed, st.integers(0, 2**32 - 1)),
            st.builds(debug.AskStepping, st.none() | st.booleans(), st.integers(0, 2**32 - 1)),
            st.builds(
                debug.AskLog,
                st.none() | strategies.process_ids(),
                st.none() | st.integers(0, 255),
                st.none() | strategies.U64,
                st.integers(0, 2**32 - 1),
            ),
            st.builds(
                debug.SetVerbosity,
                st.none() | strategies.process_ids(),
                st.none() | st.integers(0, 255),
            ),
        ),
    ),
)
_STATUSES = st.builds(
    wire.ProcessStatus,
    strategies.process_ids(),
    st.sampled_from(wire.ProcessState),
    strategies.U64,
    strategies.U64,
    st.none() | strategies.text(),
    strategies.U64,
    strategies.U64,
)
_ANSWERS: st.SearchStrategy[object] = st.one_of(
    st.sampled_from((wire.InitializedProcess(), wire.RunProcessError(), Ok(None))),
    st.builds(wire.KilledProcess, strategies.process_ids()),
    st.sampled_from(wire.Refusal).map(Err),
    st.builds(
        wire.DebugIs,
        st.one_of(
            st.dictionaries(strategies.process_ids(), _PROCESS_RECORDS, max_size=2).map(wire.ProcessMapIs),
            st.builds(wire.ProcessIs, st.none() | _PROCESS_RECORDS),
            st.builds(wire.HasCapIs, st.none() | st.booleans()),
            st.builds(debug.MayMessageIs, st.booleans(), strategies.text()),
            st.lists(_STATUSES, max_size=2).map(lambda found: wire.ProcessesAre(tuple(found))),
        ),
    ),
)
_FAILED = st.builds(
    wire.FailedSend,
    st.sampled_from(SendErrorKind),
    strategies.addresses(),
    _WIRE_MESSAGES,
    st.none() | strategies.payloads(),
)
_VALUES: list[tuple[object, st.SearchStrategy[object]]] = [
    (wire.PAYLOAD, strategies.payloads()),
    (wire.REQUEST, strategies.requests()),
    (wire.RESPONSE, strategies.responses()),
    (wire.MESSAGE, _WIRE_MESSAGES),
    (wire.KERNEL_MESSAGE, strategies.kernel_messages()),
    (wire.CAPABILITY, strategies.capabilities() | strategies.signed_capabilities()),
    (wire.SIGNED_CAPABILITY, strategies.signed_capabilities()),
    (
        wire.WRAPPED_SEND_ERROR,
        st.builds(wire.WrappedSendError, strategies.U64, strategies.addresses(), _FAILED),
    ),
    (wire.KERNEL_COMMAND, _COMMANDS),
    (wire.KERNEL_ANSWER, _ANSWERS),
]


@pytest.mark.parametrize(("shape", "values"), _VALUES)
@given(data=st.data())
def test_what_is_written_is_read_back(
    shape: AnyShape, values: st.SearchStrategy[object], data: st.DataObject
) -> None:
    value = data.draw(values)
    assert comparable(shape.decode(shape.encode(value))) == comparable(value)


ALL_SHAPES = st.sampled_from([shape for shape, _ in GOLDEN.values()])


@given(ALL_SHAPES, st.binary(max_size=80))
def test_any_bytes_are_a_value_or_malformed(shape: AnyShape, raw: bytes) -> None:
    assert is_value_or_malformed(shape, lambda: shape.decode(raw))


@given(ALL_SHAPES, strategies.json_values())
def test_any_json_is_a_value_or_malformed(shape: AnyShape, json: JsonValue) -> None:
    assert is_value_or_malformed(shape, lambda: shape.load(json))


@given(st.sampled_from(sorted(GOLDEN)), st.data())
def test_a_damaged_golden_line_is_a_value_or_malformed(name: str, data: st.DataObject) -> None:
    shape, _ = GOLDEN[name]
    damaged = data.draw(strategies.mutated(parse(golden(f"kernel/{name}"))))
    assert is_value_or_malformed(shape, lambda: shape.load(damaged))
