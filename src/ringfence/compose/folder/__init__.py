"""Opens each part of a data folder: its log, and the files beside it."""
