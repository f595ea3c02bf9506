"""Which fields, pairs and inputs a model learns from."""
