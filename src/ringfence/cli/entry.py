"""The `ringfence` command. `run` and `follow` begin without loading what only other commands need."""

from __future__ import annotations

import io
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ringfence.cli.program import finish, new_app
from ringfence.masking import mask_cards

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import typer


def main() -> None:
    """The `ringfence` command. What it says to the terminal holds no card number, a traceback neither."""
    sys.stderr = _Masked(sys.stderr)
    arguments = sys.argv[1:]
    sys.exit(finish(program_for(arguments), arguments))


def program_for(arguments: Sequence[str]) -> typer.Typer:
    """The program, with at least the command that these arguments name."""
    if arguments[:1] == ["follow"]:
        with without("pandas", "scipy", "cffi"):
            from ringfence.cli.storage.follow import follow  # noqa: PLC0415 (loads this one)

        return _alone(follow)
    if arguments[:1] != ["run"]:
        from ringfence.cli.main import app  # noqa: PLC0415 (loads every command)

        return app
    with without("pandas", "scipy", "cffi"):
        from ringfence.features.kernel.numba_internals import load_all  # noqa: PLC0415 (Numba, while the block runs)

        load_all()
        from ringfence.cli.deciding.run import run  # noqa: PLC0415 (loads this one)

    return _alone(run)


def _alone(command: Callable[..., None]) -> typer.Typer:
    """A program of one command."""
    alone = new_app()
    alone.callback()(_group)
    alone.command()(command)
    return alone


class _Masked(io.TextIOBase):
    """A text stream on which card numbers keep their last four digits only."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        self._stream.write(mask_cards(text, strict=True))
        return len(text)

    def flush(self) -> None:
        self._stream.flush()

    def isatty(self) -> bool:
        return bool(self._stream.isatty())

    def fileno(self) -> int:
        return int(self._stream.fileno())

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return str(self._stream.encoding)

    @property
    def buffer(self) -> Any:
        return self._stream.buffer


@contextmanager
def without(*packages: str) -> Iterator[None]:
    """While the block runs these are not installed.

    Numba and PyArrow load them where they are, for callers who use them: most of a second of a start.
    """
    finder = _Absent(packages)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


class _Absent:
    """Finds nothing, and says so."""

    def __init__(self, packages: Sequence[str]) -> None:
        self._packages = packages

    def find_spec(self, name: str, _path: object = None, _target: object = None) -> None:
        if name in self._packages:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def _group() -> None:
    """Keeps the command's name: without it a program of one command has none."""
