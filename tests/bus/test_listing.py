"""What commands say of destinations and of how many messages they changed."""

import json
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
    assert execute(["bus", "list", "--json", *folder]) == 0
    told = json.loads(capsys.readouterr().out)["destinations"][0]
    assert (told["health"], told["dead"]) == ("dead letters", 1)
    assert execute(["outbox", "retry", "--all", *folder]) == 0
    assert "1 message is tried again." in capsys.readouterr().err
    assert execute(["bus", "list", *folder]) == 0
    assert re.search("^console: +waiting +[0-9]", capsys.readouterr().out, re.MULTILINE)


def test_one_message_is_counted_in_the_singular(store, bus, capsys):
    fill(store, batches=1)
    bus.subscribe(Subscription(name="all", pattern=EVERYTHING, to="console:"))
    take(store)
    folder = ["--data", str(store.folder)]
    with bus.database.transaction() as connection:
        connection.execute("UPDATE message SET state = 'delivered' WHERE seq > 2")
        connection.execute("UPDATE message SET state = 'dead' WHERE seq = 1")
    assert execute(["outbox", "purge", "--all", *folder]) == 0
    assert "1 dead letter is gone." in capsys.readouterr().err
    assert execute(["bus", "remove", "all", *folder]) == 0
    assert "all is gone, and 1 waiting message with it." in capsys.readouterr().err
