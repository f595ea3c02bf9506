"""Puts together the followers of the log, and what depends on how far they have come."""
