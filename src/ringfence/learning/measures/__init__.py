"""How good scores are, in figures, in money and as curves."""
