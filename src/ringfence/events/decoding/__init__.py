"""From records as they come to columns of events."""
