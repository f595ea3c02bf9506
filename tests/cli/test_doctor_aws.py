"""What `doctor` says of what the settings name on AWS, and of secrets."""

import boto3
from tests.adapters.aws import emulator

from ringfence.cli.setup.checks.aws import named_secrets, tables
from ringfence.cli.setup.checks.check import State


def test_secrets_that_settings_name_are_read_and_not_told(project, monkeypatch):
    emulator.environment(monkeypatch)
    boto3.client("secretsmanager").create_secret(Name="doctor/slack", SecretString="xoxb-hidden")
    monkeypatch.setenv("RINGFENCE_SLACK_TOKEN", "secret://aws/doctor/slack")
    monkeypatch.setenv("RINGFENCE_STORE_PASSWORD", "secret://aws/doctor/none")
    monkeypatch.setenv("RINGFENCE_SERVE_TOKEN_SECRET", f"secret://file{project}/none")
    monkeypatch.setenv("RINGFENCE_SMTP_PASSWORD", "written here")
    found = {one.part: one for one in named_secrets()}
    assert {part: one.state for part, one in found.items()} == {
        "secret slack_token": State.FINE,
        "secret store_password": State.BAD,
        "secret RINGFENCE_SERVE_TOKEN_SECRET": State.BAD,
    }
    assert "ResourceNotFoundException" in found["secret store_password"].said
    assert "xoxb-hidden" not in str(found)


def test_a_table_that_is_missing_is_named_before_anything_runs(ringfence, project, payments, monkeypatch):
    emulator.environment(monkeypatch)
    ringfence("run", payments)
    folder = project / "ringfence-data"
    assert list(tables(folder)) == []
    monkeypatch.setenv("RINGFENCE_DYNAMODB_TABLE", "doctor")
    (missing,) = tables(folder)
    assert missing.state is State.BAD
    assert "GetItem fails with ResourceNotFoundException" in missing.said
    assert ringfence("dynamodb", "create").code == 0
    assert ringfence("dynamodb", "load").code == 0
    (found,) = tables(folder)
    assert found.said == "table doctor has what was decided before offset 8"
