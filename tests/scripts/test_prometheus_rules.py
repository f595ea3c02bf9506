"""Prometheus reads the alert rules that are shipped, and they fire when their objective is missed."""

import json
import subprocess
from pathlib import Path

import pytest
import yaml
from tests.promtool import promtool

from ringfence.objectives import ALARMS, OBJECTIVES

ROOT = Path(__file__).parents[2]

RULES = ROOT / "deploy" / "prometheus" / "ringfence.rules.yml"
PER_MINUTE = 1000
DAYS_MINUTES = 3 * 24 * 60 + 1


def told(command, *arguments):
    done = subprocess.run(
        [promtool(), *command, *arguments], check=False, capture_output=True, text=True, timeout=120
    )
    return done.returncode, done.stdout + done.stderr


def test_prometheus_reads_the_rules():
    code, said = told(["check", "rules"], RULES)
    assert code == 0, said


def firing(tmp_path, objective, pieces, windows):
    """promtool's verdict on: these alarms fire, and no others, after `pieces` (minutes, burn rate)."""
    budget = 1 - objective.target
    good, minutes, amounts = 0.0, 0, [0.0]
    for length, burn in pieces:
        for _ in range(length):
            good += PER_MINUTE * (1 - burn * budget)
            amounts.append(good)
        minutes += length
    series = {
        "good": " ".join(f"{amount:.6f}" for amount in amounts),
        "events": f"0+{PER_MINUTE}x{minutes}",
    }
    alert = f"Ringfence{objective.name.capitalize()}BudgetBurns"
    [group] = [
        one for one in yaml.safe_load(RULES.read_text())["groups"] if one["name"].endswith("objectives")
    ]
    expected = [
        {
            "exp_labels": rule["labels"] | {"objective": objective.name},
            "exp_annotations": rule["annotations"],
        }
        for rule in group["rules"]
        if rule["alert"] == alert and rule["labels"]["window"] in windows
    ]
    assert len(expected) == len(windows)
    test = {
        "rule_files": [str(RULES)],
        "evaluation_interval": f"{minutes}m",  # once: every minute of three days takes promtool minutes
        "tests": [
            {
                "interval": "1m",
                "input_series": [
                    {
                        "series": f'ringfence_slo_{what}_total{{objective="{objective.name}"}}',
                        "values": values,
                    }
                    for what, values in series.items()
                ],
                "alert_rule_test": [{"eval_time": f"{minutes}m", "alertname": alert, "exp_alerts": expected}],
            }
        ],
    }
    path = tmp_path / "test.json"  # YAML is a superset of it
    path.write_text(json.dumps(test))
    code, said = told(["test", "rules"], path)
    assert code == 0, said


@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda one: one.name)
@pytest.mark.parametrize("burn", [0.0, 0.5, 2.0, 8.0, 20.0])
def test_an_alarm_fires_where_the_budget_burns_faster_than_its_factor(tmp_path, objective, burn):
    windows = {f"{alarm.long_minutes}m" for alarm in ALARMS if burn > alarm.factor}
    firing(tmp_path, objective, [(DAYS_MINUTES, burn)], windows)


@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda one: one.name)
def test_an_alarm_ends_soon_after_the_fault(tmp_path, objective):
    """After six minutes without a fault the window of five is clean; those of 30 and 360 are not."""
    firing(tmp_path, objective, [(DAYS_MINUTES, 20.0), (6, 0.0)], {"360m", "4320m"})
