"""What follows the log: followers, who is declared, and the pump that runs them.

    log ──► pump ──► follower.take(topic, batches) ──► target: what was made of them, and how far it came

Nothing here is asked by a decision: followers run in a process of their own (`ringfence follow`).
"""

from ringfence.follow.follower import Follower
from ringfence.follow.pump import Pump, catch_up
from ringfence.follow.roll import DeclaredFollower, Roll, declare

__all__ = ["DeclaredFollower", "Follower", "Pump", "Roll", "catch_up", "declare"]
