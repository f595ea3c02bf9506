"""What lets a message go, as SQL: delivery goes by it, and lists of what holds messages say it."""

from __future__ import annotations

from typing import Final

NOT_PAUSED: Final = "subscription NOT IN (SELECT name FROM subscription WHERE json_extract(body, '$.paused'))"
"""Whether the subscription of a message sends."""

IS_BEHIND: Final = """
due.ordered AND EXISTS (
  SELECT 1 FROM message AS before
  WHERE before.subscription = due.subscription AND before.key = due.key AND before.state = 'waiting'
    AND before.ordered AND before.seq < due.seq)
"""
"""Whether the message `due` waits for an earlier one of its key."""
