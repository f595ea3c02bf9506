"""The alert rules that we ship: what the script makes, over figures that there are."""

import re

import pytest
import yaml
from tests.api.conftest import Api

from ringfence.objectives import ALARMS, OBJECTIVES
from scripts import alert_rules

SERIES = re.compile(r"\b(ringfence_[a-z_]+)\b")


def found():
    text = alert_rules.FILE.read_text()
    return [rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]


def test_the_file_is_current():
    assert alert_rules.FILE.read_text() == alert_rules.rules(), "run scripts/alert_rules.py"


def test_each_objective_has_each_alarm_with_a_severity_and_words():
    rules = found()
    for objective in OBJECTIVES:
        name = f"Ringfence{objective.name.capitalize()}BudgetBurns"
        assert [one["labels"]["severity"] for one in rules if one["alert"] == name] == [
            alarm.severity for alarm in ALARMS
        ]
    for rule in rules:
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert rule["annotations"]["summary"]
        assert rule["expr"].count("(") == rule["expr"].count(")")


def test_every_figure_of_a_rule_is_one_that_the_server_has(served_figures):
    for rule in found():
        for name in SERIES.findall(rule["expr"]):
            assert name in served_figures, f"{rule['alert']} asks for {name}, which /metrics has not"


@pytest.fixture
def served_figures(tmp_path):
    """Names of all series of a server with a vault's figures declared."""

    async def talk(client):
        return (await client.get("/metrics")).text

    text = Api(tmp_path / "data")(talk)
    return {line.split("{")[0].split(" ")[0] for line in text.splitlines() if not line.startswith("#")} | {
        "ringfence_vault_lost_originals",  # where there is a vault
        "ringfence_follower_process_restarts_total",  # where the process is started beside the server
    }
