"""Decisions over HTTP: durable before they are answered, and the same when asked again."""
