"""A SQLite file that is being set up: closed again where that fails."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator


class _Closes(Protocol):
    def close(self) -> None: ...


@contextmanager
def closed_if_it_raises(opened: _Closes) -> Iterator[None]:
    """Leaves it open where the block ends; closes it where the block raises."""
    try:
        yield
    except BaseException:
        opened.close()
        raise
