"""Secrets that may be exchanged while the program runs: passwords, tokens, keys."""

from __future__ import annotations

import logging
from math import inf
from threading import Lock
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from ringfence.errors import InputError, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

_LOGGER: Final = logging.getLogger(__name__)

KEPT_SECONDS: Final = 300.0
"""How long a value is taken for the current one without a look."""

LEAST_SECONDS: Final = 5.0
"""Between two looks, whoever fails with the value meanwhile: callers with wrong tokens cause no more."""


SCHEME: Final = "secret://"
"""How a text begins that names a secret and holds none."""

_PLACES: Final = ("env", "file", "aws")
_FORM: Final = "secret://env/NAME, secret://file/PATH or secret://aws/NAME[#KEY]"


def named_place(text: str) -> tuple[str, str] | None:
    """Place and name that a setting's text names; None where it holds the secret itself.

    `InputError` where it is malformed, which does not repeat it: it may be a secret that begins oddly.

    >>> named_place("secret://env/SLACK"), named_place("secret://file/run/slack"), named_place("xoxb-1")
    (('env', 'SLACK'), ('file', 'run/slack'), None)
    """
    if not text.startswith(SCHEME):
        return None
    place, _, name = text.removeprefix(SCHEME).partition("/")
    if place not in _PLACES or not name.partition("#")[0]:
        raise InputError(f"a setting names a secret as {_FORM}")
    return place, name


class Secrets(Protocol):
    """A place where secrets are kept. Any thread may ask."""

    def read(self, name: str) -> str:
        """The current value; `StoreError` where it cannot be had, with the name and never the value."""
        ...


class SecretValue(Protocol):
    """One secret. Any thread may ask."""

    def value(self) -> str:
        """What it is now, as far as is known; may ask its place. `StoreError` as of `Secrets.read`."""
        ...

    def renewed(self, refused: str) -> str | None:
        """Another value than the one that was refused, by asking at once; None where there is no other."""
        ...

    @property
    def changes(self) -> int:
        """How often the value has been found to be another one."""
        ...


class FixedSecret(NamedTuple):
    """A value that stays as long as the program runs."""

    text: str

    def __repr__(self) -> str:
        return "FixedSecret(...)"

    def value(self) -> str:
        """See `SecretValue.value`."""
        return self.text

    def renewed(self, _refused: str) -> None:
        """There is no other."""

    @property
    def changes(self) -> int:
        """It does not."""
        return 0


def as_secret(given: str | SecretValue) -> SecretValue:
    """A text is a secret that stays as it is."""
    return FixedSecret(given) if isinstance(given, str) else given


class KeptSecret:
    """A secret of a place, kept for a while. A value that cannot be looked at again stays the current one."""

    def __init__(
        self, secrets: Secrets, name: str, now: Callable[[], float], stale_seconds: float = inf
    ) -> None:
        """`now` tells seconds that only grow. A value counts for `stale_seconds` after it was last read."""
        self._secrets, self._name, self._now = secrets, name, now
        self._stale_seconds = stale_seconds
        self._read = float("-inf")
        self._lock = Lock()
        self._value = ""
        self._asked = float("-inf")
        self._changes = 0

    def __repr__(self) -> str:
        return f"KeptSecret({self._name!r})"

    @property
    def changes(self) -> int:
        """See `SecretValue.changes`."""
        return self._changes

    def value(self) -> str:
        """See `SecretValue.value`."""
        if self._is_due() and self._lock.acquire(
            blocking=not self._value
        ):  # one looks, others go on with what is known
            try:
                if self._is_due():
                    self._look(must=not self._value)
            finally:
                self._lock.release()
        if self._now() - self._read > self._stale_seconds:
            raise StoreError(
                f"a secret counts no more: its place has not been read for {self._stale_seconds:.0f} s"
            )
        return self._value

    def renewed(self, refused: str) -> str | None:
        """See `SecretValue.renewed`. A look that fails finds no other value."""
        with self._lock:
            if self._value == refused and self._now() - self._asked >= LEAST_SECONDS:
                self._look(must=False)
            return None if self._value in (refused, "") else self._value

    def _is_due(self) -> bool:
        """True until a value is known, also while another thread's first look lasts."""
        return not self._value or self._now() - self._asked >= KEPT_SECONDS

    def _look(self, *, must: bool) -> None:
        self._asked = self._now()
        try:
            found = self._secrets.read(self._name)
        except StoreError as error:
            if must:
                self._asked = float("-inf")
                raise
            _LOGGER.warning("The secret stays as it was: %s", error)
            return
        self._changes += bool(self._value) and found != self._value
        self._value, self._read = found, self._asked
