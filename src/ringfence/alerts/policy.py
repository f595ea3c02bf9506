"""Who hears of what: the alert policy, a TOML file that people edit."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from difflib import get_close_matches
from enum import IntEnum
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from ringfence.bus.subscription import kind_of
from ringfence.errors import InputError
from ringfence.events.values.durations import parse_delay_ms
from ringfence.events.values.texts import parse_toml

FILE_NAME: Final = "alerts.toml"
OUTCOMES: Final = ("approve", "challenge", "review", "decline")
LANGUAGES: Final = ("en", "de")
DAY_MS: Final = 86_400_000
_CLOCK: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
_BY: Final = ("", "mail", "sms", "console")


class Severity(IntEnum):
    """How urgent an alert is."""

    MEDIUM = 1
    HIGH = 2
    CRITICAL = 3


class AlertPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is set in `alerts.toml`.

    Attributes:
        outcomes: decisions that raise an alert.
        window: decisions on one entity with one typology are one alert for so long.
        high: score from which an alert is high; a declined payment always is.
        critical: score from which it is critical.
        team: addresses of destinations that hear of each alert, as of `ringfence bus subscribe --to`.
        most: messages to a destination within `per`, of each severity; what is more comes as one digest.
        quiet: from when to when less than `quiet_below` waits, such as "22:00-07:00".
        escalate_to: who hears of an alert of `escalate_from` that nobody has acknowledged.
        customer: how the customer hears of a payment: "mail", "sms", or not at all.
        contacts: where your own records of the customer are, so that "it was me" counts: in "payment", whose
            `email` and `phone` you fill in, or in "profile", the attributes of these names that the
            customer's profile had when the payment came. Unless given, a payment has what the payer typed.
        answer_url: where customers reach this server, such as "https://answers.bank.example"; they are
            asked to answer by a link that is valid for `answer_for`.
        yes_allows: for how long "it was me" puts the card on an allow list; not at all unless given. It
            needs `contacts`.
        no_blocks: whether "it was not me" puts the card on a block list.
        language: of messages; "en" or "de". A customer's own is the attribute `language`.
        bank: how customers know you.
        ignore_older_than_days: payments that were this old when they were decided raise no alert.
        templates: folder with texts of your own, such as `team.en.txt`.
    """

    outcomes: tuple[str, ...] = ("challenge", "review", "decline")
    window: str = "6h"
    high: float = 60.0
    critical: float = 90.0
    team: tuple[str, ...] = ()
    most: int = 20
    per: str = "1h"
    quiet: str = ""
    quiet_zone: str = "UTC"
    quiet_below: str = "high"
    escalate_after: str = "30m"
    escalate_from: str = "high"
    escalate_to: tuple[str, ...] = ()
    customer: str = ""
    customer_outcomes: tuple[str, ...] = ("challenge", "review", "decline")
    contacts: str = ""
    answer_url: str = ""
    answer_for: str = "2d"
    yes_allows: str = ""
    no_blocks: bool = False
    language: str = "en"
    bank: str = "your bank"
    ignore_older_than_days: int | None = None
    templates: str = ""

    def __post_init__(self) -> None:
        for name in ("outcomes", "customer_outcomes"):
            for one in getattr(self, name):
                _one_of(name, one, OUTCOMES)
        if not self.outcomes:
            raise InputError("outcomes: name one at least, such as decline")
        for name in ("window", "per", "escalate_after", "answer_for"):
            _duration(name, getattr(self, name))
        _one_of("contacts", self.contacts, ("", "payment", "profile"))
        if self.yes_allows:
            _duration("yes_allows", self.yes_allows)
            if not self.contacts:
                raise InputError(
                    "yes_allows: whoever pays with a stolen card may give an address of their own. Set "
                    'contacts = "profile" if profiles of customers have their email and phone, "payment" if '
                    "those of a payment are your own records, or leave yes_allows out"
                )
        if self.answer_url and kind_of(self.answer_url) != "webhook":
            raise InputError("answer_url: https://HOST is needed")
        for name in ("quiet_below", "escalate_from"):
            _one_of(name, getattr(self, name), tuple(one.name.lower() for one in Severity))
        _one_of("language", self.language, LANGUAGES)
        _one_of("customer", self.customer, _BY)
        for address in (*self.team, *self.escalate_to):
            kind_of(address)
        self._check_numbers()

    def _check_numbers(self) -> None:
        if not 0 < len(self.bank.strip()) <= 100:
            raise InputError("bank: how customers know you, at most 100 characters")
        if not 1 <= self.most <= 10_000:
            raise InputError("most: between 1 and 10,000 messages")
        if self.ignore_older_than_days is not None and not 1 <= self.ignore_older_than_days <= 36_500:
            raise InputError("ignore_older_than_days: between 1 and 36,500 days")
        if not 0 <= self.high <= self.critical <= 100:
            raise InputError("high and critical: scores between 0 and 100, high first")
        if self.quiet:
            _hours(self.quiet)
        try:
            ZoneInfo(self.quiet_zone)
        except (ZoneInfoNotFoundError, ValueError):
            raise InputError(f"quiet_zone: there is no time zone {self.quiet_zone[:60]!r}") from None

    @property
    def window_ms(self) -> int:
        return _duration("window", self.window)

    @property
    def answer_for_ms(self) -> int:
        return _duration("answer_for", self.answer_for)

    @property
    def yes_allows_ms(self) -> int:
        return _duration("yes_allows", self.yes_allows)

    @property
    def per_ms(self) -> int:
        return _duration("per", self.per)

    @property
    def escalate_after_ms(self) -> int:
        return _duration("escalate_after", self.escalate_after)

    def is_too_old(self, event_time_ms: int, decided_at_ms: int) -> bool:
        """Whether a payment was imported long after it was made."""
        days = self.ignore_older_than_days
        return days is not None and decided_at_ms - event_time_ms > days * DAY_MS

    def severity(self, outcome: str, score: float) -> Severity:
        """Of an alert on one decision."""
        if score >= self.critical:
            return Severity.CRITICAL
        return Severity.HIGH if score >= self.high or outcome == "decline" else Severity.MEDIUM

    def due_ms(self, at_ms: int, severity: Severity) -> int:
        """When a message of this moment may go: now, or when quiet hours end.

        >>> policy = AlertPolicy(quiet="22:00-07:00")
        >>> policy.due_ms(23 * 3_600_000, Severity.MEDIUM) == 31 * 3_600_000
        True
        """
        if not self.quiet or severity >= Severity[self.quiet_below.upper()]:
            return at_ms
        begin, end = _hours(self.quiet)
        zone = ZoneInfo(self.quiet_zone)
        moment = datetime.fromtimestamp(at_ms / 1000, zone)
        minute = moment.hour * 60 + moment.minute
        is_quiet = begin <= minute < end if begin <= end else minute >= begin or minute < end
        if not is_quiet:
            return at_ms
        until = moment.replace(hour=end // 60, minute=end % 60, second=0, microsecond=0)
        if until <= moment:
            until += timedelta(days=1)
        return round(until.timestamp() * 1000)


def parse_policy(text: str, origin: str) -> AlertPolicy:
    """The policy that a text is; `InputError` names what is wrong with it."""
    given = parse_toml(text, origin)
    known = AlertPolicy.__struct_fields__
    for name in given:
        if name not in known:
            near = get_close_matches(name, known, 1)
            hint = f": did you mean {near[0]!r}?" if near else f": one of {', '.join(known)}"
            raise InputError(f"{origin}: there is no setting {name[:60]!r}{hint}")
    try:
        return msgspec.convert(given, AlertPolicy)
    except (msgspec.ValidationError, InputError) as error:
        raise InputError(f"{origin}: {error}") from None


def _one_of(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise InputError(f"{name}: {value[:60]!r} is none of {', '.join(filter(None, known))}")


@lru_cache(64)  # asked for each payment of an alert
def _duration(name: str, text: str) -> int:
    try:
        found = parse_delay_ms(text)
    except InputError as error:
        raise InputError(f"{name}: {error}") from None
    if not found:
        raise InputError(f"{name}: more than nothing is needed")
    return found


def _hours(text: str) -> tuple[int, int]:
    parts = [_CLOCK.fullmatch(part.strip()) for part in text.split("-")]
    if len(parts) != 2 or None in parts:
        raise InputError(f"quiet: {text[:40]!r} is no span of hours, such as 22:00-07:00")
    begin, end = (int(part[1]) * 60 + int(part[2]) for part in parts if part is not None)
    return begin, end
