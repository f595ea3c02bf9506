"""Puts together what tells others: alerts, the outbox, and what carries its messages."""
