"""Puts the Flink host together."""
