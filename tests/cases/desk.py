"""A file of cases, payments to fill it with, and people who work on it."""

from ringfence.adapters.cases import SqliteCases
from ringfence.cases import wire
from ringfence.cases.actions import take_payment
from ringfence.cases.model import Disposition, Payment
from ringfence.cases.policy import CasePolicy
from ringfence.desks.cases import CaseDesk
from ringfence.rulebook.desk import Who
from ringfence.scoring.rulesets.rules import Outcome

NOON = 1_700_000_000_000
MINUTE = 60_000


def payment(number, *, customer=None, outcome=Outcome.REVIEW, amount=100.0, probability=0.5, at=NOON, **more):
    return Payment(
        transaction_id=f"t-{number}",
        offset=number,
        event_time_ms=at,
        decided_at_ms=at,
        outcome=outcome,
        score=100 * probability,
        probability=probability,
        amount=amount,
        currency="EUR",
        loss=amount * probability,
        reasons=("VELOCITY",),
        entities={"customer": customer or f"c-{number}", "card": f"k-{number}"},
        **more,
    )


class Office:
    def __init__(self, folder, **policy):
        self.folder = folder
        self.book = SqliteCases(folder)
        self.policy = CasePolicy(**policy)
        self.desk = CaseDesk(self.book, self.policy, lambda text: text)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.book.close()

    def having(self, **policy):
        """The same cases, by another policy."""
        self.policy = CasePolicy(**policy)
        self.desk = CaseDesk(self.book, self.policy, lambda text: text)
        return self

    def take(self, *payments):
        with self.book.work() as work:
            return [take_payment(work, self.policy, one) for one in payments]

    def act(self, case, kind, by="anna", at=NOON, **asked):
        case = self.book.case(case) if isinstance(case, str) else case
        return self.desk.act(case.id, kind(version=case.version, **asked), Who(by, at))

    def next(self, by="anna", at=NOON, queue=None, passing=None):
        seen = None if passing is None else wire.Seen(id=passing.id, version=passing.version)
        return self.desk.next(wire.NextCase(queue=queue, passing=seen), Who(by, at))

    def close(self, case, found=Disposition.CONFIRMED_FRAUD, by="anna", **asked):
        return self.act(case, wire.Close, by, disposition=found, **asked)
