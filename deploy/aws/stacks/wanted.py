"""What the user names by parameters: rights and, from private subnets, the way there. None without them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from aws_cdk import CfnCondition, CfnParameter, CfnRule, CfnRuleAssertion, Fn, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kinesis as kinesis

from stacks.common import BUCKET, READ_STREAM, acknowledge

if TYPE_CHECKING:
    from aws_cdk import aws_ecs as ecs

    from stacks.network import Network

_ARN = r"arn:aws[a-z-]*:"
_ELSEWHERE = _ARN + r"(sns|sqs|events):[a-z0-9-]+:\d{12}:[\w./-]+"
_ORIGIN = _ARN + r"sms-voice:[a-z0-9-]+:\d{12}:(phone-number|pool|sender-id)/[\w/-]+"
_IDENTITY = r"[\w.+-]+(@[\w.-]+)?"
_TABLE = r"[\w.-]{3,255}"
_STREAM = r"[\w.-]{1,128}"
_READ_CHANGES = ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"]
_LEASE = ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"]
_READ_FILES = ["s3:GetObject", "s3:ListBucket"]
_FAN_OUT = ["kinesis:DescribeStreamConsumer", "kinesis:SubscribeToShard"]
_ENDPOINT_OF_CHANGES = "AWS_ENDPOINT_URL_DYNAMODB_STREAMS"


class Wanted(NamedTuple):
    """A parameter of a stack, and the condition that it is not empty."""

    parameter: CfnParameter
    condition: CfnCondition


def allow_wanted(task: ecs.FargateTaskDefinition, network: Network, *, private: bool) -> None:
    """Rights to send to, and to read, what parameters name; with `private`, the endpoints that takes.

    SMS by SNS asks for a right on every resource, which is not given: End User Messaging does not.
    """
    stack = Stack.of(task)
    told = _wanted(
        stack,
        "SendTo",
        _ELSEWHERE,
        "ARN of one more topic, queue or event bus that gets messages",
        "the ARN of a topic of SNS, a queue of SQS or a bus of EventBridge",
    )
    mail = _wanted(
        stack, "MailIdentity", _IDENTITY, "Identity of SES that e-mail comes from", "a domain or an address"
    )
    sms = _wanted(
        stack,
        "SmsOrigin",
        _ORIGIN,
        "ARN of the number or pool that SMS come from",
        "the ARN of a phone number, a pool or a sender id of End User Messaging",
    )
    table = _wanted(
        stack, "ReadTable", _TABLE, "Table of DynamoDB whose stream of changes is read", "the name of a table"
    )
    bucket = _wanted(
        stack, "ReadBucket", BUCKET, "Bucket of S3 whose files are read as they come", "the name of a bucket"
    )
    identity, changes = (
        stack.format_arn(service=service, resource=resource, resource_name=name)
        for service, resource, name in (
            ("ses", "identity", mail.parameter.value_as_string),
            ("dynamodb", "table", f"{table.parameter.value_as_string}/stream/*"),
        )
    )
    role = task.task_role
    _allow(role, told, ["events:PutEvents", "sns:Publish", "sqs:SendMessage"], told.parameter.value_as_string)
    _allow(role, mail, ["ses:SendEmail", "ses:SendRawEmail"], identity)
    _allow(role, sms, ["sms-voice:SendTextMessage"], sms.parameter.value_as_string)
    _allow(role, table, _READ_CHANGES, changes)
    here = stack.format_arn(service="s3", region="", account="", resource=bucket.parameter.value_as_string)
    _allow(role, bucket, _READ_FILES, here, f"{here}/*")
    stream = _wanted(stack, "ReadStream", _STREAM, "Stream of Kinesis that is read", "the name of a stream")
    there = stack.format_arn(
        service="kinesis", resource="stream", resource_name=stream.parameter.value_as_string
    )
    _allow(role, stream, [f"kinesis:{action}" for action in READ_STREAM], there)
    consumer = fan_out(role, "ReadConsumer", "ReadStream", there)
    CfnRule(
        stack,
        "ConsumerHasStream",
        rule_condition=Fn.condition_not(Fn.condition_equals(consumer.parameter, "")),
        assertions=[
            CfnRuleAssertion(
                assert_=Fn.condition_not(Fn.condition_equals(stream.parameter, "")),
                assert_description="ReadConsumer is registered with ReadStream: name that, too",
            )
        ],
    )
    if private:
        leases = _wanted(
            stack,
            "LeaseTable",
            _TABLE,
            "Table of DynamoDB by which several nodes share a stream",
            "the name of a table",
        )
        name = leases.parameter.value_as_string
        _allow(
            role, leases, _LEASE, stack.format_arn(service="dynamodb", resource="table", resource_name=name)
        )
        _endpoint(stack, network, mail, ec2.InterfaceVpcEndpointAwsService.EMAIL)
        _endpoint(stack, network, sms, ec2.InterfaceVpcEndpointAwsService("sms-voice"))
        way = _endpoint(stack, network, table, ec2.InterfaceVpcEndpointAwsService.DYNAMODB_STREAMS)
        # It has no private name, and the gateway of tables does not lead to their streams.
        name = Fn.select(1, Fn.split(":", Fn.select(0, way.vpc_endpoint_dns_entries)))
        url = Fn.condition_if(table.condition.logical_id, f"https://{name}", "").to_string()
        task.default_container.add_environment(_ENDPOINT_OF_CHANGES, url)


def fan_out(role: iam.IRole, parameter: str, of: str, stream: str) -> Wanted:
    """A consumer of enhanced fan-out that a parameter names, registered with a stream, and its rights."""
    stack = Stack.of(role)
    wanted = _wanted(
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
    _allow(role, wanted, _FAN_OUT, stream, made.attr_consumer_arn)
    return wanted


def _wanted(stack: Stack, name: str, pattern: str, description: str, of: str) -> Wanted:
    parameter = CfnParameter(
        stack,
        name,
        description=f"{description}; empty: none",
        default="",
        allowed_pattern=f"^({pattern})?$",
        constraint_description=of,
    )
    given = Fn.condition_not(Fn.condition_equals(parameter, ""))
    return Wanted(parameter, CfnCondition(stack, f"HasMay{name}", expression=given))


def _allow(role: iam.IRole, wanted: Wanted, actions: list[str], *resources: str) -> None:
    name = f"May{wanted.parameter.node.id}"
    statements = [
        {
            "Effect": "Allow",
            "Action": actions,
            "Resource": resources[0] if len(resources) == 1 else list(resources),
        }
    ]
    if (
        actions is _READ_CHANGES
    ):  # the list of the account's streams opens none of them, and knows no resource
        statements.append({"Effect": "Allow", "Action": "dynamodb:ListStreams", "Resource": "*"})
    policy = iam.CfnPolicy(
        Stack.of(role),
        name,
        policy_name=name,
        roles=[role.role_name],
        policy_document={"Version": "2012-10-17", "Statement": statements},
    )
    policy.cfn_options.condition = wanted.condition
    if actions is _READ_CHANGES:
        acknowledge(policy, "AwsSolutions-IAM5[Resource::*]", "dynamodb:ListStreams knows no resource.")
        acknowledge(
            policy,
            "AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:dynamodb:<AWS::Region>:<AWS::AccountId>:"
            "table/<ReadTable>/stream/*]",
            "A stream is named by when it was made, and made again when its view changes.",
        )
    if actions is _READ_FILES:
        acknowledge(
            policy,
            "AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:s3:::<ReadBucket>/*]",
            "Files have names of their own.",
        )


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
