"""What `ringfence bus list` says of destinations."""

import re

from tests.bus.test_outbox import take
from tests.lakes import fill

from ringfence.bus.subscription import EVERYTHING, Subscription
from ringfence.cli import execute


def test_a_destination_that_refused_a_message_for_good_is_not_well(store, bus, capsys):
    """It takes others and does not fail, as a service does of which one channel is gone."""
    fill(store, batches=1)
    bus.subscribe(Subscription(name="all", pattern=EVERYTHING, to="console:"))
    take(store)
    folder = ["--data", str(store.folder)]
    with bus.database.transaction() as connection:
        connection.execute("UPDATE message SET state = 'dead' WHERE seq = 1")
    assert execute(["bus", "list", *folder]) == 0
    assert re.search("^console: +dead letters ", capsys.readouterr().out, re.MULTILINE)
    assert execute(["outbox", "retry", "--all", *folder]) == 0
    assert "1 message is tried again." in capsys.readouterr().err
    assert execute(["bus", "list", *folder]) == 0
    assert re.search("^console: +well ", capsys.readouterr().out, re.MULTILINE)
