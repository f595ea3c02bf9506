"""What AWS costs: units times prices, units as in the stacks, and the page has what the command prints."""

import csv
import importlib.util
import json
import subprocess
import sys

import pytest

from .pages import ROOT

SCRIPT = ROOT / "deploy" / "aws" / "costs.py"
PAGE = (ROOT / "docs" / "operations" / "aws.md").read_text("utf-8")
SNAPSHOTS = ROOT / "deploy" / "aws" / "snapshots"
LARGE = ("Network", "Streams", "Store", "Alerts", "Model", "Service", "Scale", "Watch", "Pipeline")


@pytest.fixture(scope="module")
def costs():
    spec = importlib.util.spec_from_file_location("costs", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(*arguments):
    return subprocess.run([sys.executable, SCRIPT, *arguments], capture_output=True, text=True, check=False)


def test_the_page_has_the_table_that_the_command_prints(costs):
    printed = run().stdout
    assert printed == costs.table(costs.items(), costs.RATES)
    assert printed in PAGE


def test_each_figure_is_units_times_price(costs):
    """Counted here once more: 50 payments a second are 131.4 million a month."""
    found = {one.item: one for one in costs.items()}
    assert found["million writes"].dollars("small", 50) == pytest.approx(131.4 * 0.7625)
    assert found["vCPU-hours"].dollars("large", 500) == pytest.approx(8 * 730 * 0.0466)
    assert found["KPU-hours"].dollars("large", 5000) == pytest.approx((2920 + 0.5 * 13_140) * 0.127)
    assert [costs.rounded(one) for one in (0.2, 0.6, 7.4, 49.2, 388.2, 1_204, 24_660)] == [
        *("–", "1", "7", "49", "390", "1,200", "25,000"),
    ]


def resources(name):
    return json.loads((SNAPSHOTS / f"Ringfence{name}.json").read_text())["Resources"].values()


@pytest.mark.parametrize(("profile", "stacks"), [("small", ("Small",)), ("large", LARGE)])
def test_fixed_units_are_those_of_the_stacks(costs, profile, stacks):
    there = [one for name in stacks for one in resources(name) if "Condition" not in one]

    def count(kind, **having):
        return sum(
            one["Type"] == kind
            and all(one["Properties"].get(name) == value for name, value in having.items())
            for one in there
        )

    fixed = {one.item: one.fixed[profile] for one in costs.items()}
    assert fixed["keys of KMS"] == count("AWS::KMS::Key")
    assert fixed["alarms"] == count("AWS::CloudWatch::Alarm")
    assert fixed["secrets"] == count("AWS::SecretsManager::Secret")
    ways = count("AWS::EC2::VPCEndpoint", VpcEndpointType="Interface")
    assert fixed["hours in two zones"] == ways * 2 * 730
    assert fixed["hours of streams"] == count("AWS::Kinesis::Stream") * 730
    (task,) = [one["Properties"] for one in there if one["Type"] == "AWS::ECS::TaskDefinition"]
    assert fixed["vCPU-hours"] == int(task["Cpu"]) / 1024 * 730
    assert fixed["GB-hours of memory"] == int(task["Memory"]) / 1024 * 730
    budget = json.loads(
        (SNAPSHOTS / f"Ringfence{'Small' if profile == 'small' else 'Watch'}.json").read_text()
    )
    least = sum(one.dollars(profile, costs.RATES[profile][0]) for one in costs.items())
    assert least < float(budget["Parameters"]["BudgetUsd"]["Default"]) < 2 * least


def test_own_prices_and_rates_are_taken_and_wrong_ones_refused(costs, tmp_path):
    with costs.FILE.open(newline="") as file:
        rows = list(csv.DictReader(file))
    rows[0]["price_usd"] = "1"  # of an hour of a vCPU

    def written(**change):
        path = tmp_path / "mine.csv"
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0].keys())
            writer.writeheader()
            writer.writerows([rows[0] | change, *rows[1:]])
        return path

    ended = run("--prices", written(), "--rate", "20", "200")
    assert "small, 20/s" in ended.stdout
    assert "| Fargate task | 740 | 6,000 |" in ended.stdout
    for wrong in ("0,05", "", "nan", "-1"):
        ended = run("--prices", written(price_usd=wrong))
        assert ended.returncode
        assert "mine.csv, line 2" in ended.stderr
    assert run("--rate", "0").returncode
    assert "cannot be read" in run("--prices", tmp_path / "none.csv").stderr
