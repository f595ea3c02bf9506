"""What the stack of the model asks of SageMaker, asked of its control plane: model, variants, endpoint."""

import json
from pathlib import Path

import boto3
import pytest

from . import emulator

SNAPSHOT = Path(__file__).parents[3] / "deploy/aws/snapshots/RingfenceModel.json"
ACCOUNT = "123456789012"
IMAGE = f"{ACCOUNT}.dkr.ecr.{emulator.REGION}.amazonaws.com/ringfence-model:0.1.0"
PSEUDO = {"AWS::Partition": "aws", "AWS::Region": emulator.REGION, "AWS::AccountId": ACCOUNT}


class Stack:
    """The snapshot's resources of SageMaker, made in the order in which they need each other."""

    def __init__(self):
        self.client = boto3.client("sagemaker")
        told = json.loads(SNAPSHOT.read_text())
        self.resources = told["Resources"]
        self.made = {name: one.get("Default", "") for name, one in told["Parameters"].items()}
        self.made |= {"ModelImage": IMAGE, **PSEUDO}

    def properties(self, kind):
        """Logical id and properties of the one resource of a kind, without what CloudFormation fills in."""
        ((name, one),) = (
            item for item in self.resources.items() if item[1]["Type"] == f"AWS::SageMaker::{kind}"
        )
        return name, self.resolved(one["Properties"])

    def resolved(self, told):
        if isinstance(told, list):
            return [self.resolved(one) for one in told]
        if not isinstance(told, dict):
            return told
        if "Ref" in told:
            return self.made[told["Ref"]]
        if "Fn::ImportValue" in told:
            return "ringfence-models"
        if "Fn::Join" in told:
            return told["Fn::Join"][0].join(map(self.resolved, told["Fn::Join"][1]))
        if "Fn::GetAtt" in told:
            name, _ = told["Fn::GetAtt"]
            return self.made.get(name, f"arn:aws:iam::{ACCOUNT}:role/{name}")
        return {key: self.resolved(value) for key, value in told.items()}

    def config(self):
        """The configuration with an instance of an older kind: the emulator's list ends with those."""
        name, config = self.properties("EndpointConfig")
        known = self.client.meta.service_model.shape_for("ProductionVariantInstanceType").enum
        for variant in config["ProductionVariants"]:
            assert variant["InstanceType"] in known  # to AWS itself
            variant["InstanceType"] = "ml.c5.xlarge"
        return name, config

    def make(self):
        """As CloudFormation does; boto3 checks each call against AWS's own description of it."""
        name, model = self.properties("Model")
        self.client.create_model(ModelName=name, **model)
        self.made[name] = name
        name, config = self.config()
        self.client.create_endpoint_config(EndpointConfigName=name, **config)
        self.made[name] = name
        name, endpoint = self.properties("Endpoint")
        self.client.create_endpoint(EndpointName=name, **endpoint)
        return name


@pytest.fixture
def stack(monkeypatch):
    emulator.environment(monkeypatch)
    made = Stack()
    yield made
    for one in made.client.list_endpoints()["Endpoints"]:
        made.client.delete_endpoint(EndpointName=one["EndpointName"])
    for one in made.client.list_endpoint_configs()["EndpointConfigs"]:
        made.client.delete_endpoint_config(EndpointConfigName=one["EndpointConfigName"])
    for one in made.client.list_models()["Models"]:
        made.client.delete_model(ModelName=one["ModelName"])


def test_the_endpoint_is_made_with_its_variant_and_an_isolated_model(stack):
    name = stack.make()
    assert stack.properties("Model")[1]["EnableNetworkIsolation"] is True  # which the emulator forgets
    endpoint = stack.client.describe_endpoint(EndpointName=name)
    assert endpoint["EndpointStatus"] == "InService"
    assert [one["VariantName"] for one in endpoint["ProductionVariants"]] == ["champion"]
    config = stack.client.describe_endpoint_config(EndpointConfigName=endpoint["EndpointConfigName"])
    (variant,) = config["ProductionVariants"]
    model = stack.client.describe_model(ModelName=variant["ModelName"])
    container = model["PrimaryContainer"]
    assert container["Image"] == IMAGE
    assert container["ModelDataUrl"] == "s3://ringfence-models/models/model.tar.gz"
    assert container["Environment"]["RINGFENCE_MODEL_HOST"] == "0.0.0.0"


def test_a_second_variant_takes_a_share_of_the_traffic(stack):
    """A second model, and a configuration with both, of a second endpoint: the emulator exchanges none."""
    stack.make()
    _, model = stack.properties("Model")
    stack.client.create_model(ModelName="challenger", **model)
    _, config = stack.config()
    (champion,) = config["ProductionVariants"]
    second = champion | {
        "VariantName": "challenger", "ModelName": "challenger", "InitialVariantWeight": 0.1
    }  # fmt: skip
    config["ProductionVariants"] = [champion, second]
    stack.client.create_endpoint_config(EndpointConfigName="both", **config)
    stack.client.create_endpoint(EndpointName="second", EndpointConfigName="both")
    told = stack.client.describe_endpoint(EndpointName="second")
    assert told["EndpointConfigName"] == "both"
    assert {one["VariantName"] for one in told["ProductionVariants"]} == {"champion", "challenger"}


def test_a_role_may_pull_the_image_and_read_the_artifact(stack):
    """Without these SageMaker would make no endpoint; the emulator would not notice."""
    allowed = {
        action
        for one in stack.resources.values()
        if one["Type"] == "AWS::IAM::Policy"
        for statement in one["Properties"]["PolicyDocument"]["Statement"]
        for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
    }
    assert {"ecr:GetAuthorizationToken", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"} <= allowed
    assert {"s3:GetObject", "kms:Decrypt", "logs:PutLogEvents"} <= allowed
