"""What a model learns from: a history as one table, in parts ordered by time."""
