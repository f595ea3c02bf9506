"""Commands that decide, and that ask what has been decided."""
