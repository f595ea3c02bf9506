"""A seeded world: people who pay by habit, fraud of every kind, labels that come late, and disorder."""

from ringfence.simulate.disorder import Disorder
from ringfence.simulate.tables import SCHEMA, TRUTH_SCHEMA
from ringfence.simulate.world import START_MS, MadeWorld, World

__all__ = ["SCHEMA", "START_MS", "TRUTH_SCHEMA", "Disorder", "MadeWorld", "World"]
