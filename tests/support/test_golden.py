"""The golden lines and the strategies are held to what they promise."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from kernel.capability import Capability, SignedCapability
from kernel.jsontext import JsonValue, dump, parse
from kernel.message import KernelMessage, Request, Response
from runtime.sim import strategies
from tests.support.golden import FOLDER, golden, golden_file

T = TypeVar("T")
AREAS = sorted(path.stem for path in FOLDER.glob("*.jsonl"))


@pytest.mark.parametrize("area", AREAS)
def test_every_golden_line_is_compact_json(area: str) -> None:
    lines = golden_file(area)
    assert lines
    for name, text in lines.items():
        assert dump(parse(text)) == text, name


def test_a_golden_line_is_found_by_its_name() -> None:
    assert golden("kernel/booted") == b'"Booted"'


def test_a_missing_golden_line_says_where_it_belongs() -> None:
    with pytest.raises(LookupError, match=r"kernel\.jsonl has no line 'nonsense'"):
        golden("kernel/nonsense")


@given(strategies.kernel_messages())
def test_only_responses_have_a_context(envelope: KernelMessage) -> None:
    assert isinstance(envelope.message, Response) or envelope.context is None


@given(strategies.json_values())
def test_json_values_are_what_json_can_say(value: JsonValue) -> None:
    assert parse(dump(value)) == value


@given(st.data(), strategies.json_values())
def test_a_mutated_value_is_json_still(data: st.DataObject, value: JsonValue) -> None:
    changed = data.draw(strategies.mutated(value))
    assert parse(dump(changed)) == changed


def _is_met(values: st.SearchStrategy[T], wanted: Callable[[T], bool]) -> bool:
    try:
        find(values, wanted, settings=settings(max_examples=500, phases=[Phase.generate]))
    except NoSuchExample:
        return False
    return True


def test_the_strategies_reach_the_corners() -> None:
    assert _is_met(strategies.requests(), lambda request: request.inherit and request.expects_response == 0)
    assert _is_met(strategies.responses(), lambda response: len(response.capabilities) >= 2)
    assert _is_met(strategies.kernel_messages(), lambda envelope: envelope.rsvp is not None)
    assert _is_met(strategies.kernel_messages(), lambda envelope: isinstance(envelope.message, Request))
    assert _is_met(strategies.on_exits(), lambda on_exit: len(on_exit.entries) >= 2)
    assert _is_met(strategies.payloads(), lambda payload: payload.mime is None and len(payload.bytes) > 8)
    assert _is_met(
        strategies.attached(), lambda carried: any(isinstance(one, SignedCapability) for one in carried)
    )
    assert _is_met(strategies.capabilities(), lambda capability: capability.params == '{"root":true}')
    assert _is_met(strategies.segments(), lambda segment: not segment.isascii())
    assert _is_met(
        strategies.mutated({"a": [1, {"b": 2}]}),
        lambda changed: (
            isinstance(changed, dict) and isinstance(changed.get("a"), list) and changed["a"] != [1, {"b": 2}]
        ),
    )


@given(strategies.capabilities())
def test_capabilities_are_unsigned_unless_asked(capability: Capability) -> None:
    assert type(capability) is Capability
