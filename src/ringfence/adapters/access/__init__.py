"""Keys of callers and requests for approval, in one SQLite file of the data folder."""
