"""What a Flink job cannot do of what a server sends it: told here, as the job can only refuse it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ringfence.settings import load_settings
from ringfence.sharded.plan import acting_rules

if TYPE_CHECKING:
    from ringfence.scoring.rulesets.ruleset import RuleSet


def refused_by_job(ruleset: RuleSet) -> list[str]:
    """A warning where these rules would go to a control topic and the job there does not take them."""
    acting = acting_rules(ruleset)
    if load_settings().kafka_control is None or not acting:
        return []
    named = ", ".join(map(repr, acting[:3])) + (", …" if len(acting) > 3 else "")
    said = (
        f"rules {named} put entries into lists (add_to), which a Flink job does not: the job that reads "
        "kafka_control refuses this version and decides by the rules of before. Take add_to out, or pause "
        "these rules"
    )
    return [said]
