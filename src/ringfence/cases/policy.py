"""What a project decides for itself: which payments open cases, into which queue, and by when they are due.

subjects = ["customer", "card", "account"]
open_on = ["review", "decline"]

[[queues]]
name = "high_value"
min_amount = 1000
sla_minutes = 60
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, Literal

import msgspec

from ringfence.cases.model import Subject
from ringfence.errors import InputError
from ringfence.events.values.texts import parse_toml
from ringfence.features.spec import ENTITY_KEYS
from ringfence.scoring.rulesets.outcomes import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ringfence.cases.model import Case, Payment

MINUTE_MS: Final = 60_000
DAY_MS: Final = 86_400_000
Minutes = Annotated[int, msgspec.Meta(ge=1, le=525_600)]
Name = Annotated[str, msgspec.Meta(pattern="^[a-z0-9_-]{1,40}$")]

TYPOLOGIES: Final = (
    "account_takeover",
    "card_testing",
    "stolen_card",
    "scam",
    "friendly_fraud",
    "mule_account",
    "merchant_fraud",
    "other",
)


class Queue(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A queue, and the payments that open their cases in it: those for which all that it says holds."""

    name: Name
    outcomes: list[Outcome] = []
    subjects: list[str] = []
    reasons: list[str] = []  # reason codes, any of which has to be there
    min_amount: float = 0.0  # major units
    sla_minutes: Minutes | None = None

    def takes(self, payment: Payment, subject: Subject) -> bool:
        """Whether a case that this payment opens belongs here."""
        return (
            (not self.outcomes or payment.outcome in self.outcomes)
            and (not self.subjects or subject.entity_type in self.subjects)
            and (not self.reasons or not set(self.reasons).isdisjoint(payment.reasons))
            and payment.amount >= self.min_amount
        )


class Reporting(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What stands in a suspicious-activity report: codes that the authority assigns."""

    rentity_id: str = "0"
    report_code: str = "STR"
    currency: str = "EUR"
    transmode_code: str = "CARD"
    funds_code: str = "CARD"


class CasePolicy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a project works its cases.

    Attributes:
        subjects: whom a case is about: the first of these entity types that a payment has.
        open_on: outcomes that open a case, or join the one that is open.
        join_on: outcomes that join a case that is open, and open none.
        alerts: an alert joins the case of its payment or of its entity, and otherwise no case ("join"), or
            opens one ("open"); or cases do not hear of alerts ("ignore").
        queues: the first that takes a payment gets its case; `default` where none does.
        sla_minutes: from opening until a case is due.
        on_overdue: what happens to a case that is due and not decided. `close` escalates one that waits for a
            second person.
        hold_minutes: a new case is handed out only after so long, so that what belongs together is together.
        lease_minutes: for how long `next` gives a case to one analyst.
        pass_minutes: for how long an analyst who passed a case is not given it again.
        four_eyes_above: a case that ever came to this amount, in major units, is closed by two people, and so
            is each part that was split off it; None for never.
        reopen_days: a new payment reopens a case that was closed as inconclusive no longer ago than this.
        ignore_older_than_days: payments that were this old when they were decided open no case.
        reporting: codes of suspicious-activity reports.
        block_list: the list that entities join when an analyst blocks them.
    """

    subjects: tuple[str, ...] = ("customer", "card", "account")
    open_on: tuple[Outcome, ...] = (Outcome.REVIEW, Outcome.DECLINE)
    join_on: tuple[Outcome, ...] = (Outcome.CHALLENGE,)
    alerts: Literal["join", "open", "ignore"] = "join"
    queues: list[Queue] = []
    sla_minutes: Minutes = 480
    on_overdue: Literal["escalate", "close", "nothing"] = "escalate"
    hold_minutes: Annotated[int, msgspec.Meta(ge=0, le=10_080)] = 0
    lease_minutes: Minutes = 15
    pass_minutes: Minutes = 30
    four_eyes_above: Annotated[float, msgspec.Meta(ge=0)] | None = None
    reopen_days: Annotated[int, msgspec.Meta(ge=0, le=365)] = 0
    ignore_older_than_days: Annotated[int, msgspec.Meta(ge=1, le=36_500)] | None = None
    typologies: tuple[Name, ...] = TYPOLOGIES
    reporting: Reporting = Reporting()
    block_list: Annotated[str, msgspec.Meta(min_length=1, max_length=80)] = "confirmed_fraud"

    def subject_of(self, payment: Payment) -> Subject | None:
        """Whom a case of this payment is about; None where it has none of the entities."""
        for kind in self.subjects:
            if kind in payment.entities:
                return Subject(kind, payment.entities[kind])
        return None

    def about(self, case: Case, payments: Iterable[Payment]) -> list[Subject]:
        """Whom people are told that a case is about: its subjects, or those of payments that were split off.

        Such payments leave their subject's case, which stays the one that new payments join.
        """
        return case.subjects or sorted({one for one in map(self.subject_of, payments) if one is not None})

    def opens(self, payment: Payment) -> bool:
        """Whether a payment opens a case where none is open."""
        return payment.outcome in self.open_on and not self.is_too_old(payment)

    def is_too_old(self, payment: Payment) -> bool:
        """Whether a payment was imported long after it was made."""
        days = self.ignore_older_than_days
        return days is not None and payment.decided_at_ms - payment.event_time_ms > days * DAY_MS

    def queue_for(self, payment: Payment, subject: Subject) -> str:
        """Name of the queue that a payment's case goes to."""
        return next((queue.name for queue in self.queues if queue.takes(payment, subject)), "default")

    def queue_names(self) -> list[str]:
        """All queues, the default one last."""
        return [*dict.fromkeys(queue.name for queue in self.queues if queue.name != "default"), "default"]

    def due_ms(self, queue: str, opened_ms: int) -> int:
        """By when a case of a queue is due."""
        minutes = next(
            (one.sla_minutes for one in self.queues if one.name == queue and one.sla_minutes), None
        )
        return opened_ms + (minutes or self.sla_minutes) * MINUTE_MS

    def needs_two(self, case: Case) -> bool:
        """Whether a second person has to agree to a disposition."""
        return self.four_eyes_above is not None and case.reached >= self.four_eyes_above


def parse_policy(text: str, origin: str = "the case policy") -> CasePolicy:
    """A policy from TOML; `InputError` names what is wrong.

    >>> parse_policy("sla_minutes = 60").sla_minutes
    60
    """
    try:
        found = msgspec.convert(parse_toml(text, origin), CasePolicy)
    except msgspec.ValidationError as error:
        raise InputError(f"{origin}: {error}") from None
    shortest = min([found.sla_minutes, *(one.sla_minutes for one in found.queues if one.sla_minutes)])
    if found.hold_minutes >= shortest:
        raise InputError(
            f"{origin}: hold_minutes is {found.hold_minutes}, and a case is due after {shortest} minutes: it "
            f"would be overdue before anybody is given it. Choose less than that"
        )
    unknown = [kind for kind in found.subjects if kind not in ENTITY_KEYS]
    if unknown or not found.subjects:
        raise InputError(
            f"{origin}: subjects are some of {', '.join(ENTITY_KEYS)}, not {', '.join(unknown) or 'none'}"
        )
    return found
