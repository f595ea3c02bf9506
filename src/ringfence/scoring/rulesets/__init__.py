"""Books of rules: what is in one, whether it can be meant, and its answers."""
