"""The process alone, in milliseconds: `pytest`."""

import json

from userland.process_lib.testing import ActorTest

CODE, OUR = "../pkg/fibonacci.py", "fibonacci:fibonacci:nectar"


def test_each_number_is_the_sum_of_the_two_before_it() -> None:
    with ActorTest(CODE, our=OUR) as actor:
        answer = actor.send('{"Numbers":[0,1,2,3,4,5,10]}', expects_response=5)
        assert json.loads(answer.ipc) == {"Numbers": [0, 1, 1, 2, 3, 5, 55]}


def test_over_http() -> None:
    with ActorTest(CODE, our=OUR) as actor:
        answer = actor.push_http("GET", "/10")
        assert (answer.status, json.loads(answer.body)) == (200, {"Number": 55})


def test_a_mistake_is_told() -> None:
    with ActorTest(CODE, our=OUR) as actor:
        assert "Error" in json.loads(actor.send('{"Number":-1}', expects_response=5).ipc)
