"""Pages of what decides: rules, lists and models."""
