"""Writes deploy/prometheus/ringfence.rules.yml: the alarms of the objectives, for Prometheus' own history."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from ringfence.objectives import ALARMS, LEAST_BAD, OBJECTIVES, Alarm, Objective

FILE = Path(__file__).parent.parent / "deploy" / "prometheus" / "ringfence.rules.yml"
_HEAD = "# Made by scripts/alert_rules.py of what the server itself promises: docs/operations/slo.md.\n"


def rules() -> str:
    """The file's content: an alert for each objective and alarm, and those that need no objective."""
    found = [_burns(one, alarm) for one in OBJECTIVES for alarm in ALARMS]
    groups = [
        {"name": "ringfence-objectives", "rules": found},
        {"name": "ringfence-service", "rules": list(_others())},
    ]
    return _HEAD + yaml.safe_dump({"groups": groups}, sort_keys=False, width=110)


def _burns(objective: Objective, alarm: Alarm) -> dict[str, Any]:
    budget = f"{alarm.factor:g} * {1 - objective.target:g}"
    of = f'{{objective="{objective.name}"}}'

    def bad(minutes: int) -> str:
        good, every = (f"increase(ringfence_slo_{what}_total{of}[{minutes}m])" for what in ("good", "events"))
        return f"(1 - {good} / {every}) > {budget}"

    enough = " - ".join(
        f"increase(ringfence_slo_{what}_total{of}[{alarm.long_minutes}m])" for what in ("events", "good")
    )
    return {
        "alert": f"Ringfence{objective.name.capitalize()}BudgetBurns",
        "expr": "\nand ".join(
            [bad(alarm.long_minutes), bad(alarm.short_minutes), f"({enough}) > {LEAST_BAD - 1}"]
        ),
        "labels": {"severity": alarm.severity, "window": f"{alarm.long_minutes}m"},
        "annotations": {
            "summary": f"Less than {100 * objective.target:g} % of {objective.told}",
            "description": f"The budget burns more than {alarm.factor:g} times too fast.",
        },
    }


def _others() -> list[dict[str, Any]]:
    told = [
        ("RingfenceDown", 'up{job="ringfence"} == 0', "1m", "page", "The server does not answer."),
        (
            "RingfenceSnapshotFails",
            "ringfence_snapshot_failing > 0",
            "10m",
            "ticket",
            "No snapshot is saved: a restart would take longer and longer. /readyz says why.",
        ),
        (
            "RingfenceOriginalsLost",
            "increase(ringfence_vault_lost_originals[15m]) > 0",
            "0m",
            "page",
            "The vault does not keep originals of personal data. /readyz says why.",
        ),
        (
            "RingfenceFollowersRestart",
            "increase(ringfence_follower_process_restarts_total[1h]) > 3",
            "0m",
            "ticket",
            "The process of the followers ends again and again.",
        ),
    ]
    return [
        {
            "alert": name,
            "expr": expr,
            "for": lasting,
            "labels": {"severity": severity},
            "annotations": {"summary": summary},
        }
        for name, expr, lasting, severity, summary in told
    ]


if __name__ == "__main__":
    FILE.parent.mkdir(parents=True, exist_ok=True)
    FILE.write_text(rules(), encoding="utf-8")
