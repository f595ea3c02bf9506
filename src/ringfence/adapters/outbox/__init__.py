"""The outbox: what subscribers are owed, in a SQLite file of its own, and how it gets to them.

log ──► OutboxFollower: subscriptions, patterns ──► bus.db: position and messages, in one transaction
                                                       │
                                 Courier: one thread a destination ──► webhook, Slack, e-mail, ...
"""

from ringfence.adapters.outbox.alert_book import AlertBook
from ringfence.adapters.outbox.alerting import Watch
from ringfence.adapters.outbox.bus import Bus
from ringfence.adapters.outbox.casework import Casework
from ringfence.adapters.outbox.courier import Courier
from ringfence.adapters.outbox.follower import OutboxFollower
from ringfence.adapters.outbox.persons import BusPersons

__all__ = ["AlertBook", "Bus", "BusPersons", "Casework", "Courier", "OutboxFollower", "Watch"]
