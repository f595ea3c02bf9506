"""One model behind HTTP, without a store."""
