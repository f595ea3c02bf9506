"""What a data folder needs from time to time: backups, commands by the clock, a watch over models."""
