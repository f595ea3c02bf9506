"""What the user names by parameters: rights and, from private subnets, the way there. None without them."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from aws_cdk import CfnCondition, CfnParameter, CfnRule, CfnRuleAssertion, Fn, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kinesis as kinesis

from stacks.common import BUCKET, READ_STREAM, acknowledge

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_cdk import aws_ecs as ecs

    from stacks.network import Network

_ARN = r"arn:aws[a-z-]*:"
_ELSEWHERE = _ARN + r"(sns|sqs|events):[a-z0-9-]+:\d{12}:[\w./-]+"
_ORIGIN = _ARN + r"sms-voice:[a-z0-9-]+:\d{12}:(phone-number|pool|sender-id)/[\w/-]+"
_IDENTITY = r"[\w.+-]+(@[\w.-]+)?"
_TABLE = r"[\w.-]{3,255}"
_STREAM = r"[\w.-]{1,128}"
_ENDPOINT_OF_CHANGES = "AWS_ENDPOINT_URL_DYNAMODB_STREAMS"


class Wanted(NamedTuple):
    """A parameter of a stack, and the condition that it is not empty."""

    parameter: CfnParameter
    condition: CfnCondition


def allow_wanted(task: ecs.FargateTaskDefinition, network: Network, *, private: bool) -> None:
    """Rights to send to, and to read, what parameters name; with `private`, the endpoints that takes.

    SMS by SNS asks for a right on every resource, which is not given: End User Messaging does not.
    """
    ways = network if private else None
    _send_to(task.task_role)
    _send_mail(task.task_role, ways)
    _send_sms(task.task_role, ways)
    _read_table(task, ways)
    _read_bucket(task.task_role)
    _read_stream(task.task_role)
    if private:
        _share_streams(task.task_role)


def _send_to(role: iam.IRole) -> None:
    wanted = wanted_one(
        Stack.of(role),
        "SendTo",
        _ELSEWHERE,
        "ARN of one more topic, queue or event bus that gets messages",
        "the ARN of a topic of SNS, a queue of SQS or a bus of EventBridge",
    )
    actions = ["events:PutEvents", "sns:Publish", "sqs:SendMessage"]
    allow_named(role, wanted, [statement(actions, wanted.parameter.value_as_string)])


def _send_mail(role: iam.IRole, network: Network | None) -> None:
    stack = Stack.of(role)
    wanted = wanted_one(
        stack, "MailIdentity", _IDENTITY, "Identity of SES that e-mail comes from", "a domain or an address"
    )
    identity = stack.format_arn(
        service="ses", resource="identity", resource_name=wanted.parameter.value_as_string
    )
    allow_named(role, wanted, [statement(["ses:SendEmail", "ses:SendRawEmail"], identity)])
    if network is not None:
        _endpoint(stack, network, wanted, ec2.InterfaceVpcEndpointAwsService.EMAIL)


def _send_sms(role: iam.IRole, network: Network | None) -> None:
    stack = Stack.of(role)
    wanted = wanted_one(
        stack,
        "SmsOrigin",
        _ORIGIN,
        "ARN of the number or pool that SMS come from",
        "the ARN of a phone number, a pool or a sender id of End User Messaging",
    )
    allow_named(role, wanted, [statement(["sms-voice:SendTextMessage"], wanted.parameter.value_as_string)])
    if network is not None:
        _endpoint(stack, network, wanted, ec2.InterfaceVpcEndpointAwsService("sms-voice"))


def _read_table(task: ecs.FargateTaskDefinition, network: Network | None) -> None:
    stack = Stack.of(task)
    wanted = wanted_one(
        stack, "ReadTable", _TABLE, "Table of DynamoDB whose stream of changes is read", "the name of a table"
    )
    changes = stack.format_arn(
        service="dynamodb",
        resource="table",
        resource_name=f"{wanted.parameter.value_as_string}/stream/*",
    )
    actions = ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"]
    allow_named(
        task.task_role,
        wanted,
        # The list of the account's streams opens none of them.
        [statement(actions, changes), statement("dynamodb:ListStreams", "*")],
        {
            "AwsSolutions-IAM5[Resource::*]": "dynamodb:ListStreams knows no resource.",
            "AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:dynamodb:<AWS::Region>:<AWS::AccountId>:"
            "table/<ReadTable>/stream/*]": "A stream is named by when it was made, and made again when its "
            "view changes.",
        },
    )
    if network is not None:
        way = _endpoint(stack, network, wanted, ec2.InterfaceVpcEndpointAwsService.DYNAMODB_STREAMS)
        # It has no private name, and the gateway of tables does not lead to their streams.
        name = Fn.select(1, Fn.split(":", Fn.select(0, way.vpc_endpoint_dns_entries)))
        url = Fn.condition_if(wanted.condition.logical_id, f"https://{name}", "").to_string()
        task.default_container.add_environment(_ENDPOINT_OF_CHANGES, url)


def _read_bucket(role: iam.IRole) -> None:
    stack = Stack.of(role)
    wanted = wanted_one(
        stack, "ReadBucket", BUCKET, "Bucket of S3 whose files are read as they come", "the name of a bucket"
    )
    here = stack.format_arn(service="s3", region="", account="", resource=wanted.parameter.value_as_string)
    allow_named(
        role,
        wanted,
        [statement(["s3:GetObject", "s3:ListBucket"], here, f"{here}/*")],
        {
            "AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:s3:::<ReadBucket>/*]": "Files have names of "
            "their own."
        },
    )


def _read_stream(role: iam.IRole) -> None:
    stack = Stack.of(role)
    wanted = wanted_one(
        stack, "ReadStream", _STREAM, "Stream of Kinesis that is read", "the name of a stream"
    )
    there = stack.format_arn(
        service="kinesis", resource="stream", resource_name=wanted.parameter.value_as_string
    )
    allow_named(role, wanted, [statement([f"kinesis:{action}" for action in READ_STREAM], there)])
    consumer = fan_out(role, "ReadConsumer", "ReadStream", there)
    CfnRule(
        stack,
        "ConsumerHasStream",
        rule_condition=Fn.condition_not(Fn.condition_equals(consumer.parameter, "")),
        assertions=[
            CfnRuleAssertion(
                assert_=Fn.condition_not(Fn.condition_equals(wanted.parameter, "")),
                assert_description="ReadConsumer is registered with ReadStream: name that, too",
            )
        ],
    )


def _share_streams(role: iam.IRole) -> None:
    stack = Stack.of(role)
    wanted = wanted_one(
        stack,
        "LeaseTable",
        _TABLE,
        "Table of DynamoDB by which several nodes share a stream",
        "the name of a table",
    )
    table = stack.format_arn(
        service="dynamodb", resource="table", resource_name=wanted.parameter.value_as_string
    )
    allow_named(role, wanted, [statement(["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"], table)])


def fan_out(role: iam.IRole, parameter: str, of: str, stream: str) -> Wanted:
    """A consumer of enhanced fan-out that a parameter names, registered with a stream, and its rights."""
    stack = Stack.of(role)
    wanted = wanted_one(
        stack,
        parameter,
        _STREAM,
        f"Consumer of enhanced fan-out to register with {of}",
        "the name of a consumer",
    )
    made = kinesis.CfnStreamConsumer(
        stack,
        f"{parameter}Made",
        consumer_name=wanted.parameter.value_as_string,
        stream_arn=stream,
    )
    made.cfn_options.condition = wanted.condition
    # It looks at the parameter's empty default, with which there is no consumer.
    made.add_metadata("cfn-lint", {"config": {"ignore_checks": ["W1032"]}})
    actions = ["kinesis:DescribeStreamConsumer", "kinesis:SubscribeToShard"]
    allow_named(role, wanted, [statement(actions, stream, made.attr_consumer_arn)])
    return wanted


def wanted_one(stack: Stack, name: str, pattern: str, description: str, of: str) -> Wanted:
    """A parameter that may be left empty, and what is there only where it is not."""
    parameter = named_one(stack, name, pattern, description, of)
    given = Fn.condition_not(Fn.condition_equals(parameter, ""))
    return Wanted(parameter, CfnCondition(stack, f"HasMay{name}", expression=given))


def named_one(stack: Stack, name: str, pattern: str, description: str, of: str) -> CfnParameter:
    """A parameter that may be left empty; `of` says what it has to be."""
    return CfnParameter(
        stack,
        name,
        description=f"{description}; empty: none",
        default="",
        allowed_pattern=f"^({pattern})?$",
        constraint_description=of,
    )


def statement(actions: str | list[str], *resources: str) -> dict[str, Any]:
    """Allow actions on resources, as a template writes it."""
    on = resources[0] if len(resources) == 1 else list(resources)
    return {"Effect": "Allow", "Action": actions, "Resource": on}


def allow_named(
    role: iam.IRole,
    wanted: Wanted,
    statements: list[dict[str, Any]],
    accepted: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """A policy as long as the parameter is not empty; `accepted`: findings of cdk-nag, with the reason."""
    name = f"May{wanted.parameter.node.id}"
    policy = iam.CfnPolicy(
        Stack.of(role),
        name,
        policy_name=name,
        roles=[role.role_name],
        policy_document={"Version": "2012-10-17", "Statement": statements},
    )
    policy.cfn_options.condition = wanted.condition
    for finding, reason in accepted.items():
        acknowledge(policy, finding, reason)


def _endpoint(
    stack: Stack, network: Network, wanted: Wanted, service: ec2.IInterfaceVpcEndpointService
) -> ec2.InterfaceVpcEndpoint:
    name = wanted.parameter.node.id
    made = ec2.InterfaceVpcEndpoint(
        stack,
        f"WayOf{name}",
        vpc=network.vpc,
        service=service,
        subnets=network.service_subnets,
        security_groups=[network.endpoints],
        open=False,
        private_dns_enabled=name != "ReadTable",
    )
    made.node.default_child.cfn_options.condition = wanted.condition
    return made
