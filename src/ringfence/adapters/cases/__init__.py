"""Cases in a file of their own (`cases.db`), which the follower fills and people work on."""

from ringfence.adapters.cases.follower import CaseFollower, payment_of
from ringfence.adapters.cases.persons import CasePersons
from ringfence.adapters.cases.policy_file import read_policy
from ringfence.adapters.cases.store import SqliteCases

__all__ = ["CaseFollower", "CasePersons", "SqliteCases", "payment_of", "read_policy"]
