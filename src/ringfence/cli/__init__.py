"""The command line: one module per group of commands."""

from ringfence.cli.main import app, execute, main

__all__ = ["app", "execute", "main"]
