"""Bugs of what carries messages between nodes."""

from __future__ import annotations

from sys_processes.net import greeting
from sys_processes.net.conversation import Conversation
from sys_processes.net.core import Core
from sys_processes.net.streams import InStream, OutStream
from sys_processes.net.table import Table
from tests.simulation.zoo.plant import Part, swapped
from tests.simulation.zoo.rights import rights
from tests.simulation.zoo.talk import talk

NET = Part("net")


@NET.bug(talk, "What comes a second time is taken a second time.")
def duplicates_taken():
    def make(take):
        return lambda self, seq: take(self, seq) or seq > 0

    return swapped(InStream, "take", make)


@NET.bug(talk, "A number that is missing is not missed.")
def gap_unnoticed():
    def make(take):
        def wrong(self, seq):
            self.received = max(self.received, seq - 1)
            return take(self, seq)

        return wrong

    return swapped(InStream, "take", make)


@NET.bug(talk, "The next link goes on one number too far.")
def resumed_too_far():
    def make(resume):
        return lambda self, received: resume(self, min(received + 1, self.last))

    return swapped(OutStream, "resume", make)


@NET.bug(talk, "The next link goes on with what is new, and what was under way is never sent again.")
def nothing_sent_again():
    def make(resume):
        def wrong(self, received):
            resume(self, received)
            self._again.clear()

        return wrong

    return swapped(OutStream, "resume", make)


@NET.bug(talk, "What the other side refuses does not come back.")
def refusal_ignored():
    def make(_came_back):
        def wrong(self, peer, refuse):
            if refuse.stream == peer.out.name:
                peer.out.refused(refuse.of)

        return wrong

    return swapped(Conversation, "_came_back", make)


@NET.bug(rights, "The proof of who dials is not looked at.")
def proof_unchecked():
    def make(_is_signed):
        return lambda key, data, signature: True

    return swapped(greeting, "is_signed", make)


@NET.bug(talk, "What was sent to a node that then began anew is forgotten in silence.")
def forgotten_at_a_restart():
    def make(_lost_track):
        def wrong(self):
            _lost_track(self)
            return []

        return wrong

    return swapped(OutStream, "lost_track", make)


@NET.bug(talk, "What waits when a node is given up for lost never comes back.")
def given_up_in_silence():
    def make(return_all):
        def wrong(self, peer, why, *, refused=False):
            peer.out.give_up(self._name_stream())

        return wrong

    return swapped(Table, "return_all", make)


@NET.bug(talk, "What may have been heard is said to be certainly not.")
def uncertain_called_certain():
    def make(give_back):
        return lambda self, envelope, refusal, *, definite: give_back(self, envelope, refusal, definite=True)

    return swapped(Table, "give_back", make)


@NET.bug(talk, "A link that is lost is not dialled again for what waits.")
def not_dialled_again():
    def make(_lost):
        def wrong(self, link, why, now):
            peer = link.peer
            if peer is not None and peer.link is link:
                self._table.detach(peer)

        return wrong

    return swapped(Core, "_lost", make)
