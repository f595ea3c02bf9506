"""Conditions over numbers and truth sets in machine code: one pass, some rows at a time."""

from ringfence.scoring.machine.assembly import Machine

__all__ = ["Machine"]
