"""The steps of a restore on Fargate: what the page has the task run, run here on an emulator of S3."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import boto3
import pytest
from tests.adapters.aws import emulator
from tests.cli.conftest import payment, write_ndjson

from .pages import ROOT

PAGE = (ROOT / "docs" / "operations" / "aws.md").read_text("utf-8")
BIN = Path(sys.executable).parent


def block(about):
    (found,) = [text for text in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) if about in text]
    return found


@pytest.fixture
def task(tmp_path, monkeypatch):
    """Runs a command as the task would: with the stack's variables, and nothing else of ours."""
    emulator.environment(monkeypatch)
    for variable in [name for name in os.environ if name.startswith("RINGFENCE_")]:
        monkeypatch.delenv(variable)
    client = boto3.client("s3")
    client.create_bucket(Bucket="task", CreateBucketConfiguration={"LocationConstraint": emulator.REGION})
    monkeypatch.setenv("PATH", f"{BIN}:{os.environ['PATH']}")
    monkeypatch.setenv("RINGFENCE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("RINGFENCE_BACKUP_TO", "s3://task/RingfenceSmall")

    def run(command):
        return subprocess.run(
            ["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300
        )

    return run


def test_what_was_there_is_moved_aside_and_the_newest_backup_restored(task, tmp_path):
    data = tmp_path / "data"
    written = write_ndjson(tmp_path / "payments.ndjson", [payment(number) for number in range(8)])
    assert task(f"ringfence run {written}").returncode == 0
    (command,) = re.findall(r"`run '(ringfence backup [^']*)'`", PAGE)
    ended = task(command)
    assert ended.returncode == 0, ended.stderr
    (data / "ringfence.db").write_bytes(b"damaged")
    (data / "cache").mkdir()
    (data / "cache" / "kept").write_text("")
    (restore,) = re.findall(r"^run '(.*?)'$", block("--launch-type FARGATE"), re.DOTALL | re.MULTILINE)
    ended = task(restore)
    assert ended.returncode == 0, ended.stderr
    assert "8 decisions" in ended.stdout
    assert (data / "before" / "ringfence.db").read_bytes() == b"damaged"
    assert (data / "cache" / "kept").exists()
    ended = task("ringfence sql 'SELECT count(*) AS n FROM decisions' --format json")
    assert json.loads(ended.stdout) == {"n": 8}
    assert task(restore).returncode != 0  # what was moved aside is not mixed with what came after
    assert task(command).returncode == 0


def test_the_overrides_are_what_ecs_takes_and_name_the_container_of_the_stack():
    """The shell of the page puts them together; the names are those of the template."""
    helper = block("--launch-type FARGATE").partition("run 'mkdir")[0]
    (script,) = re.findall(r"python3 -c '(.*?)'", helper, re.DOTALL)
    command = """mkdir "$RINGFENCE_DATA_DIR/before" && true"""
    told = subprocess.run([sys.executable, "-c", script, command], capture_output=True, text=True, check=True)
    (override,) = json.loads(told.stdout)["containerOverrides"]
    stack = json.loads((ROOT / "deploy/aws/snapshots/RingfenceSmall.json").read_text())
    (task,) = [one for one in stack["Resources"].values() if one["Type"] == "AWS::ECS::TaskDefinition"]
    (container,) = task["Properties"]["ContainerDefinitions"]
    assert override == {"name": container["Name"], "command": ["sh", "-c", command]}
    kinds = {one["Type"] for one in stack["Resources"].values()}
    names = block("describe-stack-resources")
    assert set(re.findall(r"\(of (AWS::\w+::\w+)\)", names)) <= kinds
    checked = subprocess.run(["bash", "-n"], input=names + helper, text=True, check=False)
    assert checked.returncode == 0
