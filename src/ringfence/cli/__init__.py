"""The command line: one module per group of commands."""

import sys
from importlib import import_module
from typing import Any, Final

__all__ = ["app", "execute", "main"]
_INTERRUPTED: Final = 130


def main() -> None:
    """The `ringfence` command. Ctrl-C ends it without a traceback while it still loads what it needs, too."""
    try:
        import_module("ringfence.cli.entry").main()
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted.\n")
        sys.exit(_INTERRUPTED)


def __getattr__(name: str) -> Any:
    """All commands at once, loaded when somebody asks for them."""
    if name == "app":
        return import_module("ringfence.cli.main").program()
    if name == "execute":
        return import_module("ringfence.cli.main").execute
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
