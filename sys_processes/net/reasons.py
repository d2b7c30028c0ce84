"""Why a message does not reach another node, and what to try next (PROTOCOL 3.7, 9.4)."""

from __future__ import annotations

from kernel.message import KernelMessage, Reason, SendErrorKind
from kernel.refusals import Refusal
from sys_processes.net.envelopes import LARGEST


def unknown_node(node: str) -> Refusal:
    text = (
        f"no node {node!r} is known here: boot it if it is one of this machine, else add it to the peers file, "
        "`nectar id` there prints its entry"
    )
    return Refusal(SendErrorKind.Offline, Reason.node_unreachable, text)


def unreachable(node: str, why: str) -> Refusal:
    return Refusal(SendErrorKind.Offline, Reason.node_unreachable, f"{node} cannot be reached: {why}")


def resting(node: str, why: str, seconds: float) -> Refusal:
    text = f"{node} could not be reached: {why}; it is tried again from {seconds:.1f} s on"
    return Refusal(SendErrorKind.Offline, Reason.node_unreachable, text)


def link_refused(node: str, why: str) -> Refusal:
    return Refusal(SendErrorKind.Offline, Reason.link_refused, f"no link with {node}: {why}")


def lost_on_the_way(node: str) -> Refusal:
    text = f"{node} has started anew since this was sent: it may have been handled or not"
    return Refusal(SendErrorKind.Offline, Reason.node_unreachable, text)


def too_large(size: int) -> Refusal:
    text = f"{size} bytes are too many for one message between nodes, {LARGEST} at most: send it in pieces"
    return Refusal(SendErrorKind.Timeout, Reason.too_large, text)


def no_wire_form(why: str) -> Refusal:
    return Refusal(SendErrorKind.Timeout, Reason.link_refused, why)


def line_full(node: str, waiting: int) -> Refusal:
    text = f"{waiting} messages to {node} wait already: await answers, or send less at a time"
    return Refusal(SendErrorKind.Timeout, Reason.mailbox_full, text)


def not_for_us(envelope: KernelMessage, node: str) -> Refusal:
    text = f"{node} is not {envelope.target.node}, and passes nothing on"
    return Refusal(SendErrorKind.Timeout, Reason.link_refused, text)


def unreadable(node: str, problem: str) -> Refusal:
    return Refusal(SendErrorKind.Timeout, Reason.link_refused, f"{node} cannot read this message: {problem}")


def too_many_signatures(node: str) -> Refusal:
    text = f"{node} checks only so many capabilities in so short a time: attach fewer, or wait some seconds"
    return Refusal(SendErrorKind.Timeout, Reason.link_refused, text)
