"""Pages of how the installation runs: the log, brokers, quarantine, the server."""
