"""Bugs of the web server, and of two apps."""

from __future__ import annotations

import jwt

from runtime.node import PackageFiles
from sys_processes.http_server import tokens
from sys_processes.http_server.channels import Channels
from sys_processes.http_server.frame_lane import FrameLane
from sys_processes.http_server.site import Pages
from sys_processes.http_server.sockets import Owed
from sys_processes.http_server.tokens import LoginTokens, Session
from tests.simulation.zoo import chat as chat_module
from tests.simulation.zoo import tally as tally_module
from tests.simulation.zoo.chat import chat
from tests.simulation.zoo.plant import Part, swapped
from tests.simulation.zoo.tally import tally
from tests.simulation.zoo.web import web

HTTP = Part("http_server")
APP = Part("app")


@HTTP.bug(web, "A process is not told of the end of a channel that its client leaves.")
def channel_leaked():
    def make(_gone):
        def wrong(self, channel):
            if self._channels.pop(channel.id, None) is not None:
                self._owned[channel.owner].pop(channel.id)

        return wrong

    return swapped(Channels, "gone", make)


@HTTP.bug(web, "A process is told twice of the end of a channel.")
def close_told_twice():
    def make(settle):
        async def wrong(self, target, channel_id):
            owner = self._owed.get(channel_id)
            await settle(self, target, channel_id)
            if owner is not None:
                self.note(owner, channel_id)
                await settle(self, target, channel_id)

        return wrong

    return swapped(Owed, "settle", make)


@HTTP.bug(web, "Of calls to one process at once, one gets the answer of another.")
def answer_of_another():
    waiting: list[object] = []

    def make(answer_of):
        async def wrong(self, head, body, call):
            former = waiting[-1] if waiting else body
            waiting.append(body)
            try:
                return await answer_of(self, head, former if len(waiting) > 2 else body, call)
            finally:
                waiting.remove(body)

        return wrong

    return swapped(Pages, "_answer_of", make)


@HTTP.bug(web, "The cookie of another node is accepted.")
def foreign_cookie():
    def make(verified):
        def wrong(self, token):
            genuine = verified(self, token)
            if genuine is None:
                claims = jwt.decode(token, options={"verify_signature": False})
                genuine = tokens._Genuine(claims["expiration"], claims.get("subdomain"))
            return genuine

        return wrong

    return swapped(LoginTokens, "_verified", make)


@HTTP.bug(web, "Who has no cookie at all is let in.")
def stranger_let_in():
    def make(session):
        def wrong(self, head):
            found = session(self, head)
            return Session.VALID if found is Session.ABSENT else found

        return wrong

    return swapped(Pages, "session", make)


@HTTP.bug(web, "Any process may push to any channel.")
def foreign_push():
    def make(push):
        def wrong(self, source, action, payload):
            channel = self._channels.get(action.channel_id)
            if channel is not None:
                source = type(source)(source.node, channel.owner)
            return push(self, source, action, payload)

        return wrong

    return swapped(Channels, "push", make)


@HTTP.bug(web, "Of frames that arrive together the last goes first.")
def frames_reordered():
    def make(take):
        def wrong(self, data):
            messages, piece = take(self, data)
            return messages[-1:] + messages[:-1], piece

        return wrong

    return swapped(FrameLane, "take", make)


# -- apps


def _edited(files: PackageFiles, name: str, right: str, wrong: str) -> PackageFiles:
    code = files[name].decode()
    assert right in code, f"{name} has no {right!r} any more: plant that bug anew"
    return {**files, name: code.replace(right, wrong).encode()}


@APP.bug(chat, "The chat tells everybody what it could not keep.")
def chat_tells_before_it_keeps():
    def make(app):
        return lambda: _edited(
            app(),
            "pkg/room.py",
            "            await set_state(",
            "            self._tell(self.history.saved(newest))\n            await set_state(",
        )

    return swapped(chat_module, "chat_app", make)


@APP.bug(chat, "The chat saves every message but the latest.")
def chat_saves_too_little():
    def make(app):
        return lambda: _edited(
            app(),
            "pkg/model.py",
            "[*self._kept.values(), *self._saving.values()]",
            "[*self._kept.values(), *list(self._saving.values())[:-1]]",
        )

    return swapped(chat_module, "chat_app", make)


@APP.bug(chat, "The chat says that a message was certainly lost when nobody knows.")
def chat_loses_after_partition():
    def make(app):
        return lambda: _edited(app(), "pkg/elsewhere.py", "if error.definite", "if True")

    return swapped(chat_module, "chat_app", make)


@APP.bug(chat, "The chat tries once more by itself when it does not know whether it was heard.")
def chat_says_it_twice():
    right = (
        "answer = await request.send_and_await_response(ANSWER_SECONDS)\n        except SendError as error:\n"
    )
    again = (
        "            if error.reason is Reason.deadline_passed:\n"
        "                return await self._deliver(send, node)\n"
    )

    def make(app):
        return lambda: _edited(app(), "pkg/elsewhere.py", right, right + again)

    return swapped(chat_module, "chat_app", make)


@APP.bug(tally, "The counter counts again when somebody tries again.")
def counter_counts_twice():
    def make(code):
        return lambda: code().replace(
            "                known[name] = int(amount)",
            "                known[name] = int(amount)\n            elif not name.startswith('again'):\n"
            "                known['again' + name + str(len(known))] = int(amount)",
        )

    return swapped(tally_module, "counter_code", make)


@APP.bug(tally, "The counter answers although it could not keep its state.")
def counter_forgets():
    def make(code):
        return lambda: code().replace(
            "                continue\n        Response", "                pass\n        Response"
        )

    return swapped(tally_module, "counter_code", make)
