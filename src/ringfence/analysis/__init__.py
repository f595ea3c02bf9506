"""Questions about rules to what has been decided: what they would change, why a decision is what it is."""
