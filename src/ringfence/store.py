"""The port of a data folder: all durable state of one store, with one writer and any number of readers.

Its files have their names here, for who opens one of them and for who copies them all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol, Self

from ringfence.ports import Journal

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ringfence.ports import Registry
    from ringfence.rulebook.changes import RuleHistory

LOG: Final = "ringfence.db"

KEYS: Final = "access.db"
"""Keys, and requests for approval."""

TRAIL: Final = "audit.db"

BUS: Final = "bus.db"

CASES: Final = "cases.db"

VAULT: Final = "vault.db"

VIEWS: Final = "views.db"
"""Saved views of lists."""

FOLLOWERS: Final = "followers.db"
"""The roll of those that follow the log."""

WRITER: Final = "writer.lock"
"""Held by the process that writes the log."""


class Identity(Protocol):
    """Who a store is, and its secrets."""

    @property
    def store_id(self) -> str:
        """Made with it, the same ever after."""
        ...

    @property
    def created_ms(self) -> int:
        """When it was made."""
        ...

    @property
    def hash_seed(self) -> int:
        """Of 63 bits: keys the engine's hashes of ids."""
        ...

    @property
    def token_key(self) -> bytes:
        """Of 32 bytes: keys the tokens of card numbers."""
        ...


class DataFolder(Journal, Protocol):
    """The store in one folder: log, quarantine, versions, rule book, and words about itself."""

    @property
    def folder(self) -> Path:
        """Where it is."""
        ...

    @property
    def meta(self) -> Identity:
        """Identity and secrets."""
        ...

    @property
    def registry(self) -> Registry:
        """Versions of specifications, rule sets, deployments and mappings by digest."""
        ...

    @property
    def rule_history(self) -> RuleHistory:
        """The rule book's versions."""
        ...

    @property
    def remarks(self) -> Sequence[str]:
        """What somebody should know who opens it."""
        ...

    @property
    def snapshots(self) -> Path:
        """Where snapshots of the state go."""
        ...

    @property
    def tables(self) -> Path:
        """Where the analysis tables go."""
        ...

    def remember(self, name: str, value: str) -> None:
        """Keep a word about the store itself under a name, in place of the one before.

        `ValueError` for names of its identity.
        """
        ...

    def remembered(self, name: str) -> str | None:
        """What `remember` kept."""
        ...

    def check_pages(self) -> None:
        """Read every page of its file; `CorruptError` names a damaged one."""
        ...

    def close(self) -> None:
        """Let the next writer in. Closing twice is allowed."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...
