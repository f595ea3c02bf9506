"""What the watch over models, objectives and backups last found, in files of the data folder.

Each file has one process that writes it; others look.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from ringfence.errors import CorruptError, StoreError, StoreFullError
from ringfence.follow.timetable import ErrandEnd
from ringfence.learning.watching.model_news import Proposal
from ringfence.learning.watching.standing import Standing
from ringfence.objectives import KeptBudget

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FOLDER: Final = "watch"
_STANDING, _PROPOSALS, _DUE = "standing.json", "proposals.json", "timetable.json"
_OUTCOMES: Final = "errands.json"
_BUDGETS: Final = "budgets.json"
_BACKED_UP: Final = "backup.json"
_MOST_PROPOSALS: Final = 20
_DAMAGED: Final = (ValueError, RecursionError)  # no JSON, no UTF-8, another form, or nested without end
T = TypeVar("T")


class WatchBook:
    """The folder `watch` of a data folder. All of it can be made again.

    A damaged file counts as none, except that of `outcomes`: as none, it would say that nothing failed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / FOLDER

    @property
    def stamp(self) -> tuple[int, ...]:
        """Changes whenever there is something new to tell."""
        return tuple(self._changed_ns(name) for name in (_STANDING, _PROPOSALS))

    def standing(self) -> Standing | None:
        """What was measured last of the champion."""
        return self._read(_STANDING, Standing)

    def keep(self, found: Standing) -> None:
        """Replace what was measured; `StoreError` where it cannot be written."""
        self._write(_STANDING, found)

    def proposals(self) -> list[Proposal]:
        """Models that were trained on schedule, oldest first."""
        return self._read(_PROPOSALS, list[Proposal]) or []

    def propose(self, one: Proposal) -> None:
        """Add a model; `StoreError` as of `keep`."""
        others = [known for known in self.proposals() if known.model != one.model]
        self._write(_PROPOSALS, [*others, one][-_MOST_PROPOSALS:])

    def due(self) -> dict[str, int]:
        """When each errand is due next, in milliseconds since 1970, by name."""
        return self._read(_DUE, dict[str, int]) or {}

    def set_due(self, due: Mapping[str, int]) -> None:
        """Remember it; `StoreError` as of `keep`."""
        self._write(_DUE, due)

    def outcomes(self) -> dict[str, ErrandEnd]:
        """How each errand ended last, by name; empty without a file.

        `StoreError` where it is there and cannot be read, `CorruptError` where it is damaged.
        """
        path = self._folder / _OUTCOMES
        try:
            return msgspec.json.decode(path.read_bytes(), type=dict[str, ErrandEnd])
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise StoreError(f"{path} cannot be read ({error.strerror})") from error
        except _DAMAGED as error:
            raise CorruptError(f"{path} is damaged; the next work by the clock makes it anew") from error

    def keep_outcome(self, name: str, one: ErrandEnd) -> None:
        """Replace it, and a damaged file by this one alone; `StoreError` as of `keep`."""
        try:
            known = self.outcomes()
        except CorruptError:
            known = {}
        self._write(_OUTCOMES, {**known, name: one})

    def budgets(self) -> dict[str, KeptBudget]:
        """Budgets of the objectives as a server left them, by name."""
        return self._read(_BUDGETS, dict[str, KeptBudget]) or {}

    def keep_budgets(self, budgets: Mapping[str, KeptBudget]) -> None:
        """Replace them; `StoreError` as of `keep`."""
        self._write(_BUDGETS, budgets)

    def backed_up_ms(self) -> int | None:
        """The moment that the newest backup on S3 is of, in milliseconds since 1970."""
        return self._read(_BACKED_UP, int)

    def keep_backed_up(self, at_ms: int) -> None:
        """Remember one; `StoreError` as of `keep`."""
        self._write(_BACKED_UP, at_ms)

    def _changed_ns(self, name: str) -> int:
        try:
            return (self._folder / name).stat().st_mtime_ns
        except OSError:
            return 0

    def _read(self, name: str, kind: type[T]) -> T | None:
        try:
            return msgspec.json.decode((self._folder / name).read_bytes(), type=kind)
        except (OSError, *_DAMAGED):
            return None

    def _write(self, name: str, content: Any) -> None:
        """All of it or nothing."""
        partial = self._folder / f".{name}.{os.getpid()}.partial"
        try:
            self._folder.mkdir(exist_ok=True)
            partial.write_bytes(msgspec.json.encode(content))
            partial.replace(self._folder / name)
        except OSError as error:
            said = f"{self._folder / name} cannot be written ({error.strerror})"
            raise (StoreFullError if error.errno == 28 else StoreError)(said) from error
        finally:
            with suppress(OSError):  # the first error is the one that helps
                partial.unlink(missing_ok=True)
