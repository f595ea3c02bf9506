"""Puts together what decides: definitions, rules, models, and a session of an open store."""
