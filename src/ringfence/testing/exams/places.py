"""Where an exam finds what it examines: a place that can be left and entered again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

T_co = TypeVar("T_co", covariant=True)


class Place(Protocol[T_co]):
    """Somewhere that one adapter keeps what it keeps, for the length of one test.

    `cannot_damage` says why nothing kept there can be damaged behind the adapter's back, or is None.
    """

    cannot_damage: str | None

    def open(self) -> AbstractContextManager[T_co]:
        """The adapter, over what was kept when it was last closed."""
        ...

    def damage(self, name: str) -> None:
        """Change what is kept under a name (a digest, an offset), behind the adapter's back."""
        ...
