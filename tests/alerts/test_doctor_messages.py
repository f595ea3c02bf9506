"""`ringfence doctor --messages` tries every destination and says what each answered."""

from tests.bus.receivers import Receiver

from ringfence.adapters.outbox import Bus
from ringfence.bus.subscription import EVERYTHING, Subscription
from ringfence.cli.setup.checks.check import State
from ringfence.cli.setup.checks.messages import messages


def test_each_destination_gets_one_and_what_it_says_is_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RINGFENCE_WEBHOOK_NETWORKS", '["127.0.0.0/8"]')
    (tmp_path / "alerts.toml").write_text('team = ["console:", "slack:#team"]\n')
    with Receiver(204) as well, Receiver(500) as ill, Receiver(410) as gone:
        bus = Bus(tmp_path)
        for name, one in (("well", well), ("ill", ill), ("gone", gone)):
            bus.subscribe(Subscription(name=name, pattern=EVERYTHING, to=one.url))
        bus.close()
        found = {check.part.removeprefix("message to "): check for check in messages(tmp_path)}
    assert found[well.url].state is State.FINE
    assert (found[ill.url].state, found[ill.url].said.split()[0]) == (State.BAD, "500")
    assert "ringfence outbox retry" in found[ill.url].remedy
    assert "ringfence bus enable" in found[gone.url].remedy
    assert found["console:"].state is State.FINE
    assert "RINGFENCE_SLACK_TOKEN" in found["slack:#team"].remedy
    assert len(well.requests) == len(ill.requests) == 1
    assert "webhook-signature" in {name.lower() for name in well.requests[0][0]}
