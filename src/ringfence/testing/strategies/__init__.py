"""Hypothesis strategies: specifications with every kind of feature, and unpleasant logs to try them on."""

from ringfence.testing.strategies.logs import Scenario, logs, scenarios
from ringfence.testing.strategies.specs import specs

__all__ = ["Scenario", "logs", "scenarios", "specs"]
