"""The command line: one module per group of commands."""

from importlib import import_module
from typing import Any

from ringfence.cli.entry import main

__all__ = ["app", "execute", "main"]


def __getattr__(name: str) -> Any:
    """All commands at once, loaded when somebody asks for them."""
    if name in ("app", "execute"):
        return getattr(import_module("ringfence.cli.main"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
