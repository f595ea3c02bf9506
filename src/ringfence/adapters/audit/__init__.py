"""The audit trail in `audit.db`: its chain, the follower that extends it, and signed heads kept elsewhere."""
