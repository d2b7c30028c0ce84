"""What a stage keeps of the messages of its workloads, for the checkers."""

from __future__ import annotations

from runtime.sim.check.deliveries import at_most_once, fifo_per_pair
from runtime.sim.check.history import OpKind
from runtime.sim.report import Report
from runtime.sim.run import run
from runtime.sim.scenarios.stage import Stage
from runtime.sim.world import World
from tests.support.scenarios import ASKING, scenario


def staged(text: str) -> tuple[Report, Stage]:
    """A second stage in the world of a scenario: it hears what the scenario's own one hears."""
    stages: list[Stage] = []

    def watch(world: World) -> None:
        stages.append(Stage(world))

    return run(scenario(text), prepare=[watch]), stages[0]


def test_each_message_is_sent_once_and_received_once_in_order():
    """Though its carriers take it, too."""
    report, stage = staged(ASKING)
    assert report.verdict == "ok"
    sent = [("alice.nec", call.value[1]) for call in stage.order.of("send")]
    assert sent == [call.result for call in stage.order.of("receive", OpKind.OK)]
    assert len(sent) == 4
    assert fifo_per_pair(stage.order).valid is True
    assert at_most_once(stage.order).valid is True


def test_what_did_not_arrive_was_sent_only():
    parted = '[[phase.fault]]\nkind = "partition"\nat = 0\nlasts = 60\nleft = "alice.nec"\n'
    _, stage = staged(ASKING + parted)
    assert len(list(stage.order.of("send"))) == 4
    assert list(stage.order.of("receive")) == []
