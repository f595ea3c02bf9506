"""Where machine code is kept between runs, and functions that are compiled once for a machine.

A service often runs where nothing of the package, nor a home, can be written. Then the code is kept in the
first folder that can: `XDG_CACHE_HOME`, what systemd gives as `CACHE_DIRECTORY`, `~/.cache`, or `cache` in
`RINGFENCE_DATA_DIR`. Where there is none, every start compiles anew; nothing fails. A folder that others may
write is never used: what is kept there is run.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numba

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

F = TypeVar("F", bound="Callable[..., object]")

_SETTINGS: Any = numba.config  # untyped


def compiled(**options: Any) -> Callable[[F], F]:
    """`numba.njit` with these options, its code kept on disk where that can be."""

    def wrap(function: F) -> F:
        made: F
        try:
            made = numba.njit(**options, cache=True)(function)
        except RuntimeError:  # neither beside the function nor in a home
            base = cache_base()
            made = (
                numba.njit(**options)(function)
                if base is None
                else kept_in(base / "parts", function, options)
            )
        return made

    return wrap


def kept_in(folder: Path, function: F, options: dict[str, Any]) -> F:
    """A function whose machine code is kept in this folder, or in one of its name in `NUMBA_CACHE_DIR`.

    The name may tell what the code was made of, which Numba itself does not look at.
    """
    before = _SETTINGS.CACHE_DIR
    _SETTINGS.CACHE_DIR = str(Path(before) / folder.name if before else folder)
    try:
        made: F = numba.njit(**options, cache=True)(function)
    finally:
        _SETTINGS.CACHE_DIR = before
    return made


@cache
def cache_base() -> Path | None:
    """The first folder that can be written, made if need be; None where there is none."""
    return next(filter(_is_writable, _candidates()), None)


def _candidates() -> Iterator[Path]:
    told = os.environ.get
    if place := told("XDG_CACHE_HOME"):
        yield Path(place) / "ringfence"
    if place := told("CACHE_DIRECTORY"):
        yield Path(place.partition(":")[0])
    with suppress(RuntimeError):  # where nobody knows where that is
        yield Path.home() / ".cache" / "ringfence"
    if place := told("RINGFENCE_DATA_DIR"):
        yield Path(place) / "cache"


def _is_writable(folder: Path) -> bool:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
        return not folder.stat().st_mode & 0o022
    except OSError:
        return False
