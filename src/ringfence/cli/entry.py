"""The `ringfence` command: what it says to the terminal is masked."""

from __future__ import annotations

import io
import sys
from typing import Any

from ringfence.cli.main import program_for
from ringfence.cli.program import finish
from ringfence.masking import mask_cards


def main() -> None:
    """The `ringfence` command. What it says to the terminal holds no card number, a traceback neither."""
    sys.stderr = _Masked(sys.stderr)
    arguments = sys.argv[1:]
    sys.exit(finish(program_for(arguments), arguments))


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
