"""Deploys committed snapshots of the stacks into an emulator."""

from __future__ import annotations

import json
from pathlib import Path

from botocore.exceptions import WaiterError

SNAPSHOTS = Path(__file__).parents[1] / "snapshots"

NOT_EMULATED = {
    "AWS::Serverless::Application": "the function that exchanges the password comes from a repository of AWS",
    "AWS::SecretsManager::RotationSchedule": "it needs that function",
    "AWS::SecretsManager::ResourcePolicy": "nobody is asked for rights there",
    "AWS::Events::Archive": "its templates cannot make one; nothing here replays it",
    "AWS::EC2::SecurityGroupIngress": "it opens the database to that function; there is no network",
}
"""Types of resources that the emulator does not know, with the reason why that is no loss."""


def template(name: str) -> dict:
    """A snapshot without what is not emulated, and without a limit that CDK's bootstrap sets."""
    found = json.loads((SNAPSHOTS / f"{name}.json").read_text())
    found.pop("Rules", None)
    found.pop("Parameters", None)
    found.pop("Transform", None)  # of the application that is not emulated
    gone = {key for key, one in found["Resources"].items() if one["Type"] in NOT_EMULATED}
    found["Resources"] = {key: one for key, one in found["Resources"].items() if key not in gone}
    for one in found["Resources"].values():
        needs = one.get("DependsOn", [])
        needs = [key for key in ([needs] if isinstance(needs, str) else needs) if key not in gone]
        one.pop("DependsOn", None)
        if needs:
            one["DependsOn"] = needs
    return found


def network(imports: list[str]) -> dict:
    """What stands for the network, of which the emulator refuses the most: a VPC and subnets to be named."""
    resources: dict[str, dict] = {
        "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.20.0.0/16"}},
    }
    outputs = {}
    for number, export in enumerate(sorted(imports)):
        if "Subnet" in export:
            name = f"Subnet{number}"
            own = {"VpcId": {"Ref": "Vpc"}, "CidrBlock": f"10.20.{number}.0/24"}
            resources[name] = {"Type": "AWS::EC2::Subnet", "Properties": own}
        else:
            name = "Vpc"
        outputs[f"Out{number}"] = {"Value": {"Ref": name}, "Export": {"Name": export}}
    return {"Resources": resources, "Outputs": outputs}


def imported(told: object) -> set[str]:
    """Names that a template imports."""
    if isinstance(told, dict):
        if "Fn::ImportValue" in told:
            return {told["Fn::ImportValue"]}
        return set().union(*map(imported, told.values()))
    return set().union(*map(imported, told)) if isinstance(told, list) else set()


def deploy(client, name: str, told: dict) -> dict[str, dict]:
    """Make a stack; its resources by logical id, all of them complete."""
    client.create_stack(
        StackName=name,
        TemplateBody=json.dumps(told),
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
    )
    waiter = client.get_waiter("stack_create_complete")
    try:
        waiter.wait(StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    except WaiterError:
        events = client.describe_stack_events(StackName=name)["StackEvents"]
        failed = [
            (one["LogicalResourceId"], one.get("ResourceStatusReason"))
            for one in events
            if "FAILED" in one["ResourceStatus"]
        ]
        raise AssertionError(f"{name}: {failed}") from None
    found = client.describe_stack_resources(StackName=name)["StackResources"]
    return {one["LogicalResourceId"]: one for one in found}


def by_type(resources: dict[str, dict], kind: str) -> dict[str, str]:
    """Physical ids of the resources of one type, by logical id."""
    return {name: one["PhysicalResourceId"] for name, one in resources.items() if one["ResourceType"] == kind}
