"""What `doctor` says of what the settings name on AWS, and of secrets."""

from pathlib import Path

import boto3
from tests.adapters.aws import emulator
from tests.adapters.remote.test_sagemaker import SECRET, answering

from ringfence.cli.setup.checks.aws import named_secrets, tables
from ringfence.cli.setup.checks.check import State

SAMPLE = Path(__file__).parents[2] / "examples" / "sample-model"


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


def test_a_model_on_sagemaker_is_asked_itself_and_its_remedy_is_of_sagemaker(
    ringfence, project, payments, monkeypatch
):
    """There is no `/ping` to ask: whoever signs rightly gets an answer, else the right is named."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKID")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    ringfence("run", payments)
    deciding = ringfence("models", "import", str(SAMPLE)).out.strip()
    with answering() as server:
        url = f"http://127.0.0.1:{server.server_port}/endpoints/cards/invocations"
        words = ("--serves", deciding, "--sagemaker", "eu-central-1", "--deadline-ms", "60000")
        version = ringfence("models", "remote", url, *words).out.strip()
        server.model = deciding

        def found():
            told = ringfence("doctor", "--json", "--port", "0").json
            return next(one for one in told if one["part"] == f"model {version}")

        assert found()["state"] == "ok"
        assert "60000 ms allowed" in found()["said"]
        server.status = 403
        assert found()["state"] == "note"  # nothing depends on it yet
        assert "allow sagemaker:InvokeEndpoint" in found()["said"]
        assert "aws sagemaker describe-endpoint" in found()["remedy"]
        assert "RINGFENCE_MODEL_KEY" not in found()["remedy"]
