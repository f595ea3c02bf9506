"""What `ringfence doctor` looks at, part by part."""

from ringfence.cli.setup.checks.check import Check, State
from ringfence.cli.setup.checks.everything import all_checks

__all__ = ["Check", "State", "all_checks"]
