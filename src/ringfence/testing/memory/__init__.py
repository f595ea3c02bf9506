"""Adapters in memory: the first to sit the exams, and enough for tests."""
