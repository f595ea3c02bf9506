"""Commands for rules and lists."""
