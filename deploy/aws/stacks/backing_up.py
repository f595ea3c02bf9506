"""What the deciding task needs to back its volume up to a bucket that a parameter names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Aws, CfnRule, CfnRuleAssertion, Fn, Stack
from aws_cdk import aws_cloudwatch as watch

from stacks.common import BUCKET, KEY_ID, NAMESPACE
from stacks.wanted import allow_named, named_one, statement, wanted_one

if TYPE_CHECKING:
    from aws_cdk import aws_ecs as ecs
    from aws_cdk import aws_sns as sns

_LATE_SECONDS = 4 * 3600  # a backup that fails is tried again each hour


def back_up(task: ecs.FargateTaskDefinition, operations: sns.ITopic) -> None:
    """Have the task back up to a bucket below the stack's name, and an alarm where it does not.

    The task itself does it: SQLite lets no second machine read what one of them writes. It may read what it
    has put there, since a restore runs as the same task, and neither delete nor list anything else.
    """
    stack = Stack.of(task)
    wanted = wanted_one(
        stack, "BackupBucket", BUCKET, "Bucket of backups, output of RingfenceBackups", "the name of a bucket"
    )
    key = named_one(stack, "BackupKey", KEY_ID, "Its output BackupKey", "the id of a key")
    CfnRule(
        stack,
        "BackupHasKey",
        rule_condition=Fn.condition_not(Fn.condition_equals(wanted.parameter, "")),
        assertions=[
            CfnRuleAssertion(
                assert_=Fn.condition_not(Fn.condition_equals(key, "")),
                assert_description="BackupBucket is encrypted with BackupKey: name that, too",
            )
        ],
    )
    bucket = stack.format_arn(service="s3", region="", account="", resource=wanted.parameter.value_as_string)
    own = stack.format_arn(service="kms", resource="key", resource_name=key.value_as_string)
    via = {
        "StringEquals": {"kms:ViaService": f"s3.{Aws.REGION}.amazonaws.com"},
        "StringLike": {"kms:EncryptionContext:aws:s3:arn": [bucket, f"{bucket}/{Aws.STACK_NAME}/*"]},
    }
    objects = ["s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"]
    allow_named(
        task.task_role,
        wanted,
        [
            statement(objects, f"{bucket}/{Aws.STACK_NAME}/*"),
            statement("s3:ListBucket", bucket)
            | {"Condition": {"StringLike": {"s3:prefix": f"{Aws.STACK_NAME}/*"}}},
            statement(["kms:Decrypt", "kms:GenerateDataKey"], own) | {"Condition": via},
        ],
        {
            "AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:s3:::<BackupBucket>/<AWS::StackName>/*]": (
                "Each backup has a name of its own."
            )
        },
    )
    container = task.default_container
    to = f"s3://{wanted.parameter.value_as_string}/{Aws.STACK_NAME}"
    container.add_environment(
        "RINGFENCE_BACKUP_TO", Fn.condition_if(wanted.condition.logical_id, to, "").to_string()
    )
    container.add_environment("RINGFENCE_BACKUP_SPOOL", "/tmp")  # noqa: S108 (the task's own)
    alarm = watch.CfnAlarm(
        stack,
        "BackupOverdue",
        alarm_description="A backup is hours late. What to do: docs/operations/aws.md",
        namespace=NAMESPACE,
        metric_name="backup_overdue_seconds",
        statistic="Maximum",
        period=300,
        evaluation_periods=3,
        datapoints_to_alarm=2,
        threshold=_LATE_SECONDS,
        comparison_operator="GreaterThanThreshold",
        treat_missing_data="notBreaching",
        alarm_actions=[operations.topic_arn],
        ok_actions=[operations.topic_arn],
    )
    alarm.cfn_options.condition = wanted.condition
