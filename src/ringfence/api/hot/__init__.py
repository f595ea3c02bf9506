"""From a payment in bytes to its decision: read, let in, put before the decider, answered in time."""
