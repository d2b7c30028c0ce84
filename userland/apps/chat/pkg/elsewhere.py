"""The way into the chats of other nodes, each the namesake of this one."""

from userland.process_lib import Address, Reason, Request, SendError, start_soon

from .wire import Refused, Reply, Send, delivered_answer, read_delivery

ANSWER_SECONDS = 10
UNDER_WAY_AT_ONCE = 32


class Elsewhere:
    def __init__(self, our: Address) -> None:
        self._our = our
        self._under_way = 0

    def say(self, send: Send, node: str, reply: Reply) -> None:
        """Replies 200 once it is kept there; 503 when the node cannot be reached or too much is under way; 502 when
        its chat refuses.
        """
        if self._under_way == UNDER_WAY_AT_ONCE:
            refused = Refused(
                503, f"{self._under_way} messages to other nodes are under way; try again", send.tag
            )
            reply(refused.status, refused.to_bytes())
            return
        self._under_way += 1
        start_soon(self._carry, send, node, reply)

    async def _carry(self, send: Send, node: str, reply: Reply) -> None:
        try:
            status, body = 200, delivered_answer(node, await self._deliver(send, node), send.tag)
        except Refused as refused:
            refused.tag = send.tag
            status, body = refused.status, refused.to_bytes()
        finally:
            self._under_way -= 1
        reply(status, body)

    async def _deliver(self, send: Send, node: str) -> int:
        """Its id there. Raises `Refused`."""
        request = Request().target((node, self._our.process)).ipc(send.to_bytes())
        try:
            answer = await request.send_and_await_response(ANSWER_SECONDS)
        except SendError as error:
            found = "is offline" if error.reason is Reason.node_unreachable else "did not take that"
            # What was not certainly lost may have been heard.
            again = "; try again" if error.definite else ", and may have heard it all the same"
            raise Refused(503, f"{node} {found}: {error.detail}{again}") from None
        return read_delivery(answer.ipc, node)
