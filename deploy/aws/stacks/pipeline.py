"""Deployment from GitHub without long-lived keys: a role for one environment of one repository."""

from __future__ import annotations

from aws_cdk import CfnOutput, CfnParameter, Duration, Fn, Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from stacks.common import acknowledge

_HOST = "token.actions.githubusercontent.com"


class Pipeline(Construct):
    """What the workflow may do is take the roles that `cdk bootstrap` made, and nothing else."""

    def __init__(self, scope: Construct) -> None:
        super().__init__(scope, "Pipeline")
        repository = CfnParameter(
            self,
            "Repository",
            description="Repository on GitHub that deploys, as OWNER/NAME",
            allowed_pattern=r"^[\w.-]+/[\w.-]+$",
        )
        environment = CfnParameter(
            self,
            "Environment",
            description="Its environment on GitHub",
            default="production",
            allowed_pattern=r"^[\w-]+$",
        )
        repository.override_logical_id("Repository")
        environment.override_logical_id("Environment")
        provider = iam.CfnOIDCProvider(
            self, "GitHub", url=f"https://{_HOST}", client_id_list=["sts.amazonaws.com"]
        )
        subject = Fn.sub(
            "repo:${Repository}:environment:${Environment}",
            {"Repository": repository.value_as_string, "Environment": environment.value_as_string},
        )
        role = iam.Role(
            self,
            "Role",
            description="Deploys Ringfence from GitHub Actions",
            max_session_duration=Duration.hours(1),
            assumed_by=iam.WebIdentityPrincipal(
                provider.attr_arn,
                {"StringEquals": {f"{_HOST}:aud": "sts.amazonaws.com", f"{_HOST}:sub": subject}},
            ),
        )
        bootstrap = Stack.of(self).format_arn(
            service="iam", region="", resource="role", resource_name="cdk-hnb659fds-*"
        )
        role.add_to_policy(iam.PolicyStatement(actions=["sts:AssumeRole"], resources=[bootstrap]))
        acknowledge(
            role.node.find_child("DefaultPolicy").node.default_child,
            "AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:iam::<AWS::AccountId>:role/cdk-hnb659fds-*]",
            "The roles of `cdk bootstrap` carry account and region in their names.",
        )
        CfnOutput(self, "RoleArn", value=role.role_arn)
