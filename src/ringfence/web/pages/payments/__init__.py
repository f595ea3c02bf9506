"""Pages of what was paid and decided, and of who took part."""
