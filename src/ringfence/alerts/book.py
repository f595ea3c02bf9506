"""What people see of alerts, and what they do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

import msgspec

if TYPE_CHECKING:
    from ringfence.alerts.model import Alert

DIGEST_NAME: Final = "^digest-[a-z0-9-]{1,80}$"


class Mute(msgspec.Struct, frozen=True, kw_only=True):
    """A typology or reason that raises no alert for an entity until a time; "*" stands for any.

    `kinds` are what the entity is, such as a card: none where that is not known. `approved` where somebody
    who may approve set it: nobody else lifts or changes it.
    """

    typology: str
    entity_id: str
    until_ms: int
    by: str
    note: str = ""
    kinds: tuple[str, ...] = ()
    approved: bool = False


class Answered(NamedTuple):
    """The customer's answer to an alert; `done` once the log has it."""

    answer: str
    at_ms: int
    done: bool


class AlertVerdict(NamedTuple):
    """What somebody of the team said of one payment of an alert, and who; `done` once the log has it."""

    answer: str
    by: str
    at_ms: int
    done: bool


class Alerts(Protocol):
    """The alerts of one data folder. Any thread and any process may use it."""

    def alert(self, alert_id: str) -> Alert:
        """One alert; `InputError` where there is none."""
        ...

    def is_gone(self, alert_id: str) -> bool:
        """Whether it is kept no longer, as opposed to one that is still made of the log, or made again."""
        ...

    def counts(self, digest: str | None = None) -> dict[str, int]:
        """How many alerts are `open`, `in_case` and `acknowledged`, of all or of a digest.

        Each alert counts once: as acknowledged, else as in a case, else as open. Errors as `alerts`.
        """
        ...

    def acknowledge(self, alert_id: str, by: str, now_ms: int) -> Alert:
        """Somebody looks at it: it is not escalated. The first one counts."""
        ...

    def answer(self, alert_id: str, answer: str, now_ms: int) -> Answered:
        """What the customer said first: this, unless there was another answer before."""
        ...

    def has_answer(self, alert_id: str) -> bool:
        """Whether the customer has answered, and the log has it."""
        ...

    def answered(self, alert_id: str) -> None:
        """The log has the answer."""
        ...

    def judge(self, alert_id: str, transaction_id: str, answer: str, by: str, now_ms: int) -> AlertVerdict:
        """What somebody of the team said first of an alert's payment; `InputError` without such an alert."""
        ...

    def judged(self, alert_id: str, transaction_id: str) -> None:
        """The log has the verdict."""
        ...

    def use(self, mark: str, now_ms: int) -> bool:
        """Whether something that may be used once is used for the first time. Marks are kept for an hour."""
        ...

    def mute(self, mute: Mute) -> Mute | None:
        """Raise no such alerts until a time; the latest word on the same typology and entity counts.

        The mute that it takes the place of.
        """
        ...

    def unmute(self, typology: str, entity_id: str) -> Mute | None:
        """The mute that is gone now."""
        ...

    def mutes(self) -> list[Mute]:
        """All of them, those that have ended too."""
        ...

    def notices(self, after: int, limit: int) -> list[tuple[int, bytes]]:
        """Events about alerts as JSON, in the order in which they came, behind a number: each with its own.

        Opened, more severe, escalated; for as long as delivered messages are kept.
        """
        ...

    def last_notice(self) -> int:
        """The number of the latest of them, 0 where there never was one."""
        ...

    def alerts(
        self,
        *,
        state: str | None = None,
        severity: str | None = None,
        entity_id: str | None = None,
        digest: str | None = None,
        limit: int = 100,
        before: int | None = None,
    ) -> list[Alert]:
        """Newest first, where every filter holds; `before` is the number in an alert's id.

        Of a `digest`, those that it counts; `InputError` where there is none of this name.
        """
        ...
