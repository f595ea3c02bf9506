"""The compiled part of the entity graph."""
