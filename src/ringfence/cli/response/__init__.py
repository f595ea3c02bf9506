"""Commands for what follows a decision: alerts, cases, and messages to others."""
