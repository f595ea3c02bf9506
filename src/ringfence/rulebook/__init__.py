"""The live rule book: who changed which rule when and why, who approved it, and the lists that rules read."""
