"""Pages of what follows a decision: alerts, cases, messages to others."""
