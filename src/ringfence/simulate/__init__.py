"""A small seeded world: people who pay, and fraud of each kind that the shipped rules look for."""

from ringfence.simulate.world import World

__all__ = ["World"]
