"""Commands for the data folder, and for what follows its log."""
