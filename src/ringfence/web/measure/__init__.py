"""Figures of the business, of rules and of models."""
