"""Where a command goes: to a running server, or to the data folder itself."""
