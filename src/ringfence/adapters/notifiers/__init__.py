"""What carries messages: one module for each kind of destination."""

from ringfence.adapters.notifiers.console import ConsoleNotifier

__all__ = ["ConsoleNotifier"]
