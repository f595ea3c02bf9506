"""The words of case work: a case, its payments, and the changes that make it what it is."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from ringfence.scoring.rulesets.outcomes import Outcome


class CaseState(StrEnum):
    """Where a case stands. `proposed` waits for a second person to agree to its disposition."""

    OPEN = "open"
    PROPOSED = "proposed"
    CLOSED = "closed"
    MERGED = "merged"


LIVE = (CaseState.OPEN, CaseState.PROPOSED)
"""States in which new payments join a case."""


class Disposition(StrEnum):
    """What an analyst found."""

    CONFIRMED_FRAUD = "confirmed_fraud"
    FALSE_POSITIVE = "false_positive"
    INCONCLUSIVE = "inconclusive"

    @property
    def label(self) -> bool | None:
        """What it says of the payments; None where it says nothing.

        >>> [one.label for one in Disposition]
        [True, False, None]
        """
        return {Disposition.CONFIRMED_FRAUD: True, Disposition.FALSE_POSITIVE: False}.get(self)


class Subject(msgspec.Struct, frozen=True, order=True):
    """Whom a case is about: `entity_type` as of `features.spec.ENTITY_KEYS`."""

    entity_type: str
    entity_id: str


class Payment(msgspec.Struct, frozen=True, kw_only=True):
    """A payment of a case, as it was decided.

    `amount` is in major units of its currency; `loss` is what it is expected to cost: the probability of
    fraud times the amount. `entities` are its ids by entity type.
    """

    transaction_id: str
    offset: int
    event_time_ms: int
    decided_at_ms: int
    outcome: Outcome
    score: float
    probability: float | None = None
    amount: float = 0.0
    currency: str | None = None
    loss: float = 0.0
    reasons: tuple[str, ...] = ()
    entities: dict[str, str] = {}


class Totals(msgspec.Struct, frozen=True):
    """What the payments of a case come to, in major units.

    `amounts` and `losses` are by currency (empty: none given), and what people are shown. `amount` and `loss`
    add up whatever the currency: they order queues and are held against limits.
    """

    payments: int = 0
    amount: float = 0.0
    loss: float = 0.0
    score: float = 0.0  # the highest
    currency: str | None = None  # of the first payment
    amounts: dict[str, float] = {}
    losses: dict[str, float] = {}
    first_ms: int | None = None  # when the first that was not approved was decided; totals of before lack it
    outcome: Outcome = Outcome.APPROVE  # the strictest

    def plus(self, payment: Payment) -> Totals:
        """With one more payment."""
        raised = payment.decided_at_ms if payment.outcome is not Outcome.APPROVE else None
        return Totals(
            self.payments + 1,
            round(self.amount + payment.amount, 4),
            round(self.loss + payment.loss, 4),
            max(self.score, payment.score),
            self.currency or payment.currency,
            _added(self.amounts, payment.currency, payment.amount),
            _added(self.losses, payment.currency, payment.loss),
            min((one for one in (self.first_ms, raised) if one is not None), default=None),
            max(self.outcome, payment.outcome, key=lambda one: one.strictness),
        )


def _added(sums: dict[str, float], currency: str | None, amount: float) -> dict[str, float]:
    return sums | {currency or "": round(sums.get(currency or "", 0.0) + amount, 4)}


class Finding(msgspec.Struct, frozen=True):
    """A disposition: what was found, of which kind, by whom and when."""

    disposition: Disposition
    typology: str | None
    by: str
    at_ms: int


class CaseChange(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind"):
    """Base of what can happen to a case."""


class Opened(CaseChange, frozen=True, kw_only=True, tag="opened"):
    """It begins. `available_ms` is when it may be handed out, `due_ms` when it should be decided."""

    queue: str
    subjects: list[Subject]
    available_ms: int
    due_ms: int
    previous: str | None = None  # the latest closed case of the same subject
    split_from: str | None = None


class Joined(CaseChange, frozen=True, kw_only=True, tag="joined"):
    """A payment came to it."""

    payment: Payment


class Alerted(CaseChange, frozen=True, kw_only=True, tag="alerted"):
    """An alert came to it. `alert` is the alert's own id: the same alert joins once."""

    alert: str
    title: str


class Raised(msgspec.Struct, frozen=True, kw_only=True):
    """An alert as cases see it: on whom, and the payment that opened it. Not every alert has a subject."""

    id: str
    title: str
    payment: str
    subject: Subject | None
    at_ms: int


class Widened(CaseChange, frozen=True, kw_only=True, tag="widened"):
    """It is about these as well from now on: what they pay joins it."""

    subjects: list[Subject]


class Assigned(CaseChange, frozen=True, kw_only=True, tag="assigned"):
    """It is somebody's, until a time where it was handed out, or until further notice."""

    to: str
    until_ms: int | None = None


class Released(CaseChange, frozen=True, kw_only=True, tag="released"):
    """It is nobody's again; not handed to the one who gave it back before `not_before_ms`."""

    not_before_ms: int | None = None


class Noted(CaseChange, frozen=True, kw_only=True, tag="noted"):
    """Somebody wrote something down."""

    text: str


class Attached(CaseChange, frozen=True, kw_only=True, tag="attached"):
    """A file was attached; its content is kept by its hash."""

    name: str
    media_type: str
    size: int
    sha256: str


class Reported(CaseChange, frozen=True, kw_only=True, tag="reported"):
    """A suspicious-activity report was made of it."""


class Snoozed(CaseChange, frozen=True, kw_only=True, tag="snoozed"):
    """It rests until a time. `due_ms` is when it is due from now on: the clock stands still meanwhile."""

    until_ms: int
    reason: str
    due_ms: int | None = None  # unchanged


class Woken(CaseChange, frozen=True, kw_only=True, tag="woken"):
    """It rests no longer; `due_ms` as of `Snoozed`."""

    due_ms: int | None = None


class Escalated(CaseChange, frozen=True, kw_only=True, tag="escalated"):
    """It goes before all others, and rests no longer; `due_ms` as of `Snoozed`."""

    reason: str
    due_ms: int | None = None


class Moved(CaseChange, frozen=True, kw_only=True, tag="moved"):
    """It goes to another queue."""

    queue: str


class Merged(CaseChange, frozen=True, kw_only=True, tag="merged"):
    """Its payments went to another case."""

    into: str


class Absorbed(CaseChange, frozen=True, kw_only=True, tag="absorbed"):
    """Another case's payments, subjects and alerts came to it; `totals` are those from now on.

    `highest` is `Case.reached` of the other case, so that no part of a case forgets how large the case was.
    After a merge `due_ms` is the earlier time of the two, and what was escalated stays so.
    """

    case: str
    subjects: list[Subject]
    totals: Totals
    highest: float = 0.0
    alerts: list[str] = []
    due_ms: int | None = None  # unchanged
    escalated: bool = False  # as it was


class Separated(CaseChange, frozen=True, kw_only=True, tag="separated"):
    """Some of its payments went to case `case`: split off, or unmerged; `totals` as of `Absorbed`."""

    case: str
    subjects: list[Subject]
    totals: Totals
    alerts: list[str] = []


class Unmerged(CaseChange, frozen=True, kw_only=True, tag="unmerged"):
    """It has its payments back, and is open again."""

    totals: Totals


class Proposed(CaseChange, frozen=True, kw_only=True, tag="proposed"):
    """A disposition waits for a second person."""

    disposition: Disposition
    typology: str | None = None
    payments: list[str] | None = None  # those that it is about, None for all
    block: list[str] = []


class Rejected(CaseChange, frozen=True, kw_only=True, tag="rejected"):
    """The second person did not agree; it is open again, and whoever proposed goes on."""

    reason: str


class Closed(CaseChange, frozen=True, kw_only=True, tag="closed"):
    """It is decided. `payments` became labels; `blocked` joined the block list.

    `proposed_by` is who proposed it, where two had to agree.
    """

    disposition: Disposition
    typology: str | None = None
    payments: list[str] = []
    blocked: list[Subject] = []
    proposed_by: str | None = None


class Reopened(CaseChange, frozen=True, kw_only=True, tag="reopened"):
    """It is open again; its earlier finding is kept."""

    reason: str
    due_ms: int


AnyChange = (
    Opened
    | Joined
    | Alerted
    | Widened
    | Assigned
    | Released
    | Noted
    | Attached
    | Reported
    | Snoozed
    | Woken
    | Escalated
    | Moved
    | Merged
    | Absorbed
    | Separated
    | Unmerged
    | Proposed
    | Rejected
    | Closed
    | Reopened
)
_CHANGES: msgspec.json.Decoder[AnyChange] = msgspec.json.Decoder(AnyChange)  # making one costs 70 µs


class CaseEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A change of one case: it led from `version` - 1 to `version`. `by` is a person, or `system`."""

    case: str
    version: int
    at_ms: int
    by: str
    change: AnyChange


SYSTEM = "system"
"""Who does what no person did."""


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """A case as it is: what its events come to."""

    id: str
    version: int
    state: CaseState
    queue: str
    subjects: list[Subject]
    opened_ms: int
    available_ms: int
    due_ms: int
    changed_ms: int
    totals: Totals = Totals()
    waiting_ms: int | None = None  # since when it waits
    reopened_ms: int | None = None  # the last time
    highest: float = 0.0  # amount that it came to at most, or that a case did which it got payments of
    outcome: Outcome = Outcome.APPROVE  # the strictest of its payments
    reasons: list[str] = []  # reason codes, those of the first payments first
    alerts: list[str] = []
    assignee: str | None = None
    lease_until_ms: int | None = None
    snoozed_until_ms: int | None = None
    snooze_reason: str | None = None
    escalated: bool = False
    passed: dict[str, int] = {}  # by analyst: not handed to them before
    notes: int = 0
    proposal: Proposed | None = None
    proposed_by: str | None = None
    finding: Finding | None = None
    earlier: list[Finding] = []  # findings before it was reopened
    merged_into: str | None = None
    previous: str | None = None

    @property
    def is_live(self) -> bool:
        """Whether it still has to be decided."""
        return self.state in LIVE

    @property
    def reached(self) -> float:
        """The highest amount, in major units, that it ever came to; cases of before keep no `highest`."""
        return max(self.highest, self.totals.amount)

    def holder(self, now_ms: int) -> str | None:
        """Whose it is at a time; a lease that has run out is nobody's."""
        ended = self.lease_until_ms is not None and self.lease_until_ms <= now_ms
        return None if ended else self.assignee

    def is_resting(self, now_ms: int) -> bool:
        """Whether it is snoozed, or held before its queue."""
        return self.available_ms > now_ms or (self.snoozed_until_ms or 0) > now_ms

    def urgency(self, now_ms: int) -> float:
        """Expected loss a minute of the time that is left, at least one minute: the order of a queue."""
        return self.totals.loss / max(1.0, (self.due_ms - now_ms) / 60_000)


def encode(value: msgspec.Struct) -> bytes:
    """As JSON."""
    return msgspec.json.encode(value)


def decode_change(data: bytes | str) -> AnyChange:
    """Back from JSON."""
    return _CHANGES.decode(data)


def decode_case(data: bytes | str) -> Case:
    """Back from JSON."""
    return msgspec.json.decode(data, type=Case)
