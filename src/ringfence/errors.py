"""What can go wrong, as a tree. A message says what happened, where, and what to do about it.

    RingfenceError
    ├── InputError            a source, mapping or command-line value is unusable as a whole
    │   └── ColumnsError      a source has not the columns that its mapping needs
    ├── SpecError             a feature specification does not make sense
    ├── RuleError             a rule or rule book does not compile; carries the place in its text
    ├── StoreError            durable state cannot be read or written
    │   ├── StoreFullError    the disk is full: nothing that was acknowledged is lost
    │   ├── CorruptError      a stored row or snapshot fails its checksum
    │   └── CatchingUpError   what is made of the log is too far behind it: ask again later
    ├── CellError             keys cannot leave one engine, or not enter another
    ├── ScorerError           a model cannot give scores, or not in time
    └── ConflictError         the same id came again with other content

A bad *record* is no exception: it is a `BadRecord` value, quarantined with its reason.
"""

from __future__ import annotations

from ringfence.masking import mask_cards


class RingfenceError(Exception):
    """Base of all errors that Ringfence raises on purpose; the command line prints only its message.

    Of a card number that a message repeats, from a file's name say, the last four digits stay.
    """

    exit_code = 1

    def __init__(self, *args: object) -> None:
        super().__init__(*(mask_cards(value) if isinstance(value, str) else value for value in args))


class InputError(RingfenceError):
    """A source, a mapping or an option is unusable as a whole."""

    exit_code = 2


class ColumnsError(InputError):
    """A source has not the columns that its mapping needs."""


class SpecError(RingfenceError):
    """A feature specification does not make sense."""

    exit_code = 2


class RuleError(RingfenceError):
    """A rule or rule book does not compile."""

    exit_code = 2


class StoreError(RingfenceError):
    """Durable state cannot be read or written."""

    exit_code = 3


class InUseError(StoreError):
    """Another process writes there."""


class StoreFullError(StoreError):
    """The disk is full. What was acknowledged before is safe; free space and run the command again."""


class CorruptError(StoreError):
    """A stored row or snapshot fails its checksum."""


class CatchingUpError(StoreError):
    """What is made of the log is too far behind it to answer. It goes on by itself: ask again later."""


class CellError(RingfenceError):
    """The state of keys cannot leave this engine, or is not for that one."""

    exit_code = 2


class ScorerError(RingfenceError):
    """A model cannot be loaded, or cannot give scores now."""

    exit_code = 2


class ConflictError(RingfenceError):
    """The same id came again with other content."""
