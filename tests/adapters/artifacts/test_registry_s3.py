"""A registry in S3, over the wire: Arrow's own client against a server that speaks the protocol."""

import logging

import boto3
import pytest
from moto.server import ThreadedMotoServer
from tests import artifacts

from ringfence.adapters.artifacts import ModelRegistry
from ringfence.adapters.artifacts.registry import read_folder
from ringfence.errors import InputError, ScorerError, StoreError
from ringfence.scoring.artifacts.manifest import FOREST

BUCKET = "models"


@pytest.fixture(scope="module")
def endpoint():
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"{host}:{port}"
    server.stop()


@pytest.fixture
def storage(endpoint, monkeypatch):
    """A client of the storage's own, beside ours."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    client = boto3.client("s3", endpoint_url=f"http://{endpoint}", region_name="us-east-1")
    client.create_bucket(Bucket=BUCKET)
    yield client
    for item in client.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        client.delete_object(Bucket=BUCKET, Key=item["Key"])
    client.delete_bucket(Bucket=BUCKET)


def registry_at(endpoint, bucket=BUCKET):
    where = f"s3://{bucket}/cards?scheme=http&region=us-east-1&endpoint_override={endpoint}"
    return ModelRegistry(where)


@pytest.fixture
def artifact(tmp_path):
    artifacts.make(tmp_path / "made", name="cards")
    return read_folder(tmp_path / "made")


def test_a_model_goes_to_s3_and_comes_back_whole(endpoint, storage, artifact):
    registry = registry_at(endpoint)
    assert registry.digests() == []
    assert registry.add(artifact)
    assert not registry_at(endpoint).add(artifact)
    assert registry_at(endpoint).read(registry.find("cards")) == artifact
    kept = {item["Key"] for item in storage.list_objects_v2(Bucket=BUCKET)["Contents"]}
    assert {f"cards/{artifact.digest}/{name}" for name in artifact.files} <= kept
    registry.retire(artifact.digest, "mira", "old", 1)
    assert registry.retired()[artifact.digest].note == "old"


def test_an_object_that_was_changed_in_s3_is_refused(endpoint, storage, artifact):
    registry = registry_at(endpoint)
    registry.add(artifact)
    storage.put_object(Bucket=BUCKET, Key=f"cards/{artifact.digest}/{FOREST}", Body=b"changed")
    with pytest.raises(ScorerError, match="was changed"):
        registry.read(artifact.digest)


def test_an_object_that_is_no_part_of_a_model_is_not_looked_at(endpoint, storage, artifact):
    registry = registry_at(endpoint)
    registry.add(artifact)
    storage.put_object(Bucket=BUCKET, Key=f"cards/{artifact.digest}/model.pkl", Body=b"\x80\x04N.")
    assert set(registry.read(artifact.digest).files) == set(artifact.files)


def test_a_bucket_that_is_not_there_is_said(endpoint, storage, artifact):
    with pytest.raises((StoreError, InputError), match="s3://nowhere"):
        registry_at(endpoint, "nowhere").add(artifact)
