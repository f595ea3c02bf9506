"""The event bus: what the log says, as CloudEvents; who wants which of them, and where they go."""
