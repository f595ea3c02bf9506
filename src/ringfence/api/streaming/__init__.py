"""Places of those who send many payments or listen to many, and the stream of decisions."""
