"""How a destination is called: by the worst of what holds."""

import pytest

from ringfence.bus.health import DestinationHealth, HealthState, health_of
from ringfence.bus.subscription import Destination

TO = "https://hooks.example/a"


@pytest.mark.parametrize(
    ("told", "waiting", "dead", "health"),
    [
        ({}, 0, 0, "healthy"),
        ({}, 3, 0, "waiting"),
        ({}, 3, 1, "dead letters"),
        ({"failing": 2}, 3, 1, "failing"),
        ({"failing": 2, "disabled": "410 Gone"}, 3, 1, "disabled"),
    ],
)
def test_a_destination_is_as_well_as_its_worst_side(told, waiting, dead, health):
    counts = [(TO, "waiting", waiting), (TO, "dead", dead), (TO, "delivered", 9), ("console:", "dead", 7)]
    found = health_of([Destination(address=TO, kind="webhook", **told)], counts)
    assert found == {TO: DestinationHealth(HealthState(health), waiting, dead)}


def test_one_that_has_no_messages_is_healthy():
    found = health_of([Destination(address=TO, kind="webhook")], [])
    assert found[TO].health == "healthy"
