"""Checkers of histories: pure functions from what clients did and heard to whether that may be."""

from runtime.sim.check.counters import g_counter, pn_counter
from runtime.sim.check.deliveries import at_most_once, fifo_per_pair, one_outcome
from runtime.sim.check.history import Call, Calling, Checked, History, NoSuchCall, Op, OpKind, Unfit, all_of
from runtime.sim.check.linearizable import linearizable
from runtime.sim.check.models import IMPOSSIBLE, KV, Lock, Model, Register
from runtime.sim.check.rights import caps_respected
from runtime.sim.check.sets import acked_not_lost, broadcast, unique_ids

__all__ = [
    "IMPOSSIBLE",
    "KV",
    "Call",
    "Calling",
    "Checked",
    "History",
    "Lock",
    "Model",
    "NoSuchCall",
    "Op",
    "OpKind",
    "Register",
    "Unfit",
    "acked_not_lost",
    "all_of",
    "at_most_once",
    "broadcast",
    "caps_respected",
    "fifo_per_pair",
    "g_counter",
    "linearizable",
    "one_outcome",
    "pn_counter",
    "unique_ids",
]
