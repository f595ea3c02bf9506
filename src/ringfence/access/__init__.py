"""Who may ask: keys, tokens, roles, and how often."""
