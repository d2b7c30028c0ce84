"""Who is reached through whom (PROTOCOL 9.4)."""

from __future__ import annotations

from sys_processes.net.protocol import IdentityRecord
from sys_processes.net.routing import Routing
from tests.sys_processes.net.between_cores import A, B, record_of

C, D = "carol.uq", "dave.uq"


def routed(name: str, *routers: str) -> IdentityRecord:
    return record_of(name, address=None, routers=routers)


KNOWN = {record.name: record for record in (record_of(A), record_of(B), routed(C, B), routed(D, B, C))}


def routing(node: str = A, routers: tuple[str, ...] = (), passages: int = 0) -> Routing:
    return Routing(node, KNOWN.get, routers, passages)


def test_the_ways_to_a_node_are_its_routers_that_have_an_address_in_its_order():
    assert routing().ways(routed(C, B, "nobody.uq", D, A)) == (KNOWN[B],)
    assert routing(C).ways(routed(D, A, B)) == (KNOWN[A], KNOWN[B])
    assert routing().ways(record_of(B)) == ()


def test_a_node_serves_who_names_it_as_far_as_it_lets_anybody_through():
    assert routing(B, passages=1).serves(KNOWN[C])
    assert not routing(B, passages=0).serves(KNOWN[C])
    assert not routing(B, passages=1).serves(routed(C, A))
    assert routing(B, passages=1).serves(record_of(C, routers=(B,)))


def test_the_link_between_a_node_and_its_router_is_kept_on_both_sides():
    assert routing(C, routers=(B,)).keeps(KNOWN[B])
    assert routing(B, passages=1).keeps(KNOWN[C])
    assert not routing(C, routers=(B,)).keeps(KNOWN[A])
    assert not routing(B, passages=0).keeps(KNOWN[C])


def test_why_there_is_no_way_names_each_router():
    assert routing(B).obstacle(routed(D, B, "nobody.uq", C)) == (
        f"it has no address, and {B} relays for nobody: start it with --allow-routing; "
        f"its router nobody.uq is not known here; its router {C} has no address itself"
    )
