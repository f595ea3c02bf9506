"""The language of rules: its words, its types, and what an expression comes to."""
