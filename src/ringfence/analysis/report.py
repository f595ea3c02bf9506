"""What a backtest says, as data: printed, sent and drawn from the same values."""

from __future__ import annotations

import msgspec

from ringfence.analysis.statistics import Estimate  # noqa: TC001 (msgspec reads the annotations)


class Money(msgspec.Struct, frozen=True):
    """Sums of one currency, in major units."""

    currency: str
    fraud: float  # labelled fraud of all payments
    caught: dict[str, float]  # of it, by the active set ("active") and by the new one ("new")
    missed: dict[str, float]
    good_stopped: dict[str, float]  # amount of payments that are no fraud and were not simply approved


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """One rule set over all payments.

    Stopped is any outcome but approve; an alert is a review or a decline.
    """

    digest: str
    outcomes: dict[str, int]
    fraud: dict[str, int]  # labelled fraud by outcome
    stopped: int
    alerts: int
    alerts_per_day: float
    precision: Estimate  # labelled fraud among what is stopped
    recall: Estimate  # stopped among labelled fraud
    good_customers_hit: int  # with a payment stopped and no fraud of theirs known


class RuleResult(msgspec.Struct, frozen=True, kw_only=True):
    """One rule of the new set."""

    id: str
    mode: str
    change: str  # "new", "changed" or "same" against the active set
    fired: int
    fired_per_day: float
    fraud: int
    precision: Estimate
    recall: Estimate
    overlap: float | None  # share of its payments on which another rule fired, too
    only: int  # payments stopped that would be approved without it
    only_fraud: int
    only_fraud_value: dict[str, float]  # by currency: what it alone catches
    only_good_value: dict[str, float]  # and what it alone stops of good payments


class Control(msgspec.Struct, frozen=True, kw_only=True):
    """What the control group tells of declines: `payments` were let through, `labelled` are known by now."""

    payments: int
    fraud: int
    decline_precision: Estimate  # share of fraud among the declines that the group stands for
    new_precision: Estimate  # of what the new set stops, weighted by inverse propensity


class Maturity(msgspec.Struct, frozen=True, kw_only=True):
    """How much of the labels can be known by now. Days from a payment to its fraud label."""

    fraud_labels: int
    labelled_good: int
    median_days: float | None
    days_90: float | None
    mature_until: str | None  # payments before it have nine of ten of their fraud labels
    immature: int  # payments after it


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A backtest. `changed[i][j]` counts payments by outcome of the active set i and of the new one j."""

    payments: int
    begin: str | None
    end: str | None
    days: float
    active: Side
    new: Side
    changed: list[list[int]]
    changed_fraud: list[list[int]]
    money: list[Money]
    rules: list[RuleResult]
    removed: list[str]  # rules of the active set that the new one has no more
    maturity: Maturity
    control: Control | None
    measured: list[str]  # features that were measured again
    stored_declines: int
    notes: list[str]
    examples: dict[str, list[str]]  # "approve → decline": ids of a few such payments
    seconds: float
