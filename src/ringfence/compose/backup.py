"""Functions that copy a data folder and put a copy back."""

from ringfence.adapters.backup import back_up, restore

__all__ = ["back_up", "restore"]
