"""The port of the vault: originals of personal data, sealed with a key for each person."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

import msgspec

from ringfence.errors import InputError
from ringfence.events.personal_names import PersonalClass  # noqa: TC001 (msgspec reads the annotations)

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Collection, Mapping, Sequence

    from ringfence.events.privacy.personal import Original


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """An original as the vault holds it.

    Attributes:
        seen_ms: when it first came.
        last_ms: time of the last event that named the person as far as the vault was told, else `seen_ms`.
        fields: that it stood in, as `personal_fields` names them; empty where nobody knows.
        until_ms: until when it is kept; None where nothing says so.
    """

    person: str
    token: str
    kind: PersonalClass
    value: str
    seen_ms: int
    last_ms: int
    fields: tuple[str, ...] = ()
    until_ms: int | None = None


class LegalHold(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody's data has to stay, whoever asks for its erasure."""

    person: str
    reason: str
    by: str
    since_ms: int


class UnderHoldError(InputError):
    """Nothing is erased: that would take from somebody who is under legal hold."""

    def __init__(self, hold: LegalHold) -> None:
        since = datetime.fromtimestamp(hold.since_ms / 1000, UTC).date()
        super().__init__(
            f"nothing was erased: {hold.person} is under legal hold since {since} "
            f"({hold.reason}, {hold.by}), and this is their data, or is on a payment or in a case of theirs, "
            "too. `ringfence privacy release` ends a hold"
        )


class Erased(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody's data was erased. What comes later is kept again."""

    person: str
    by: str
    reason: str
    at_ms: int


class Vault(Protocol):
    """Originals by person and token. Any thread and any process may use it; each call is one transaction."""

    def put(self, originals: Sequence[Original], now_ms: int) -> int:
        """Keep what is not kept yet; how many that were. On stable storage on return."""
        ...

    def of_persons(self, persons: Collection[str]) -> list[Held]:
        """All that is held of these persons, opened."""
        ...

    def of_token(self, token: str) -> Held | None:
        """An original that a token stands for, opened; None where it is not held (any more)."""
        ...

    def holders(self, tokens: Collection[str]) -> dict[str, frozenset[str]]:
        """By token the persons of whom it is an original, or was one until an erasure that is under way."""
        ...

    def destroy(self, persons: Collection[str], erased: Erased, concerned: Collection[str] = ()) -> int:
        """Destroy the keys of persons with all that they sealed; how many originals were.

        `UnderHoldError`, and nothing is destroyed, where anybody `concerned` is under legal hold. `persons`
        stay known as of the one who is erased until `finish`.
        """
        ...

    def erasing(self, person: str) -> frozenset[str]:
        """Tokens of somebody whose erasure has destroyed the keys, and has not come to its end."""
        ...

    def finish(self, person: str) -> None:
        """Somebody's erasure has come to its end: forget which tokens were theirs."""
        ...

    def holds(self) -> list[LegalHold]:
        """Who may not be erased."""
        ...

    def hold(self, hold: LegalHold) -> None:
        """Keep somebody's data until `release`."""
        ...

    def release(self, person: str) -> bool:
        """End a hold; whether there was one."""
        ...

    def erasures(self, persons: Collection[str]) -> list[Erased]:
        """Who of these was erased, the latest first."""
        ...

    def let_see(
        self, actor: str, tokens: Collection[str], now_ms: int, an_hour: int, a_day: int | None = None
    ) -> bool:
        """Count values that somebody is shown.

        `InputError` where so many others have been shown within an hour. False, and nothing is counted, where
        this makes it more than `a_day`.
        """
        ...

    def rotate(self, *, forget: bool = False) -> tuple[str, int]:
        """Wrap every person's key by a new master key: its name, and how many keys.

        With `forget` the master keys of before are gone, and no copy of the vault of before opens any more.
        """
        ...

    def expiring(
        self, kinds: Collection[PersonalClass], before_ms: int, kept: Collection[str] = ()
    ) -> tuple[int, int]:
        """How many originals `expire` would forget, and of how many persons."""
        ...

    def expire(self, kinds: Collection[PersonalClass], before_ms: int, kept: Collection[str] = ()) -> int:
        """Forget originals of these classes that first came before a time; how many.

        Those of persons under legal hold stay, and those that are held under the tokens `kept`.
        """
        ...

    def note_events(self, last_ms: Mapping[str, int]) -> None:
        """Take in the time of the last event that named each of these persons; those unknown are left out."""
        ...

    def fields(self) -> frozenset[str]:
        """The fields in which originals came that are still here."""
        ...

    def outlive(
        self, before_ms: Mapping[str, int], kept: Collection[str] = (), *, dry: bool = False
    ) -> Counter[str]:
        """Forget originals of persons whose last event is older than the field is kept; how many by part.

        `before_ms` is by part: a field, or a class for fields without a time of their own. An original that
        stood in several fields stays as long as the one that is kept longest. Legal holds and `kept` as of
        `expire`. With `dry` nothing is deleted, and the counts are of what would be.
        """
        ...

    def close(self) -> None:
        """Release the file. Closing twice is allowed."""
        ...
