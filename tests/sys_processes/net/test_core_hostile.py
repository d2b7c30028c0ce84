"""A node that proves who it is and then says anything: nobody else notices, and its own messages keep the laws."""

from __future__ import annotations

import attrs
import msgpack
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel.address import Address
from kernel.message import KernelMessage, Reason, SendErrorKind
from runtime.sim.strategies import kernel_messages
from sys_processes.net.envelopes import pack_message
from sys_processes.net.frames import (
    Ack,
    Bye,
    Goodbye,
    Ping,
    Pong,
    Refuse,
    Relay,
    Session,
    Welcome,
    encode,
    encode_data,
)
from tests.sys_processes.net.between_cores import FULL, A, B, Cores, Stranger

C = "carol.uq"

# Numbers that come up in so short a talk, and some that never do.
NUMBERS = st.one_of(st.integers(0, 6), st.sampled_from((2**32, 2**64 - 1)))
SESSIONS = st.builds(Session, NUMBERS, NUMBERS, NUMBERS, NUMBERS, NUMBERS, NUMBERS)


def honest(envelope: KernelMessage) -> KernelMessage:
    """From alice, to bob."""
    source, target = Address(A, envelope.source.process), Address(B, envelope.target.process)
    return attrs.evolve(envelope, source=source, target=target)


def said() -> st.SearchStrategy[bytes]:
    frames = st.one_of(
        st.builds(Ack, NUMBERS),
        st.builds(Ping, NUMBERS),
        st.builds(Pong, NUMBERS),
        st.builds(Relay, st.just(b"t" * 32)),
        st.builds(Welcome, SESSIONS),
        st.builds(Bye, st.sampled_from(Goodbye), st.just("because")),
        st.builds(
            Refuse,
            NUMBERS,
            NUMBERS,
            NUMBERS,
            st.sampled_from(SendErrorKind),
            st.sampled_from(Reason),
            st.just(""),
        ),
    ).map(encode)
    some = kernel_messages()
    messages = st.builds(encode_data, NUMBERS, st.one_of(some.map(honest), some).map(pack_message))
    maps = st.builds(encode_data, NUMBERS, st.dictionaries(st.text(max_size=3), NUMBERS).map(msgpack.packb))
    return st.one_of(frames, frames, messages, maps, st.binary(max_size=12))


@settings(max_examples=150)
@given(
    SESSIONS,
    st.lists(st.tuples(said(), st.sampled_from((None, "send", "time", "split"))), max_size=25),
    st.booleans(),
)
def test_whatever_a_proven_node_says_only_its_own_link_suffers(session, talk, true_stream):
    cores = Cores(A, B, C, takes=lambda envelope: FULL)
    told = [cores.send(B, A)]
    cores.dials.clear()
    alice = Stranger(cores, B)
    if true_stream:
        stream = cores.cores[B]._table.peers[A].out.name
        session = Session(session.instance, session.turn, session.stream, stream, 0, 0)
    alice.prove(A, session)
    for raw, then in talk:
        if then == "split":
            alice.say(raw[:3])
            alice.say(raw[3:])
        else:
            alice.say(raw)
        if then == "send":
            told.append(cores.send(B, A))
            cores.dials.clear()
        elif then == "time":
            cores.pass_time(20)
    cores.takes = lambda envelope: None
    ask = [cores.send(B, C), cores.send(C, B)]
    cores.settle()
    assert [one.delivered for one in ask] == [1, 1]
    for _ in range(20):
        cores.pass_time(40)
        cores.dials.clear()
    for one in told:
        assert len(one.given_back) <= 1
        assert not (one.delivered and one.given_back and one.given_back[0].definite)
