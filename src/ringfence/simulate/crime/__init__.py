"""Fraud of every kind, some bold and some careful: what criminals do with cards, accounts and shops."""
