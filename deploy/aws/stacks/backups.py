"""Backups that leave the region: a bucket, its copy in another region, and the role that copies."""

from __future__ import annotations

from aws_cdk import (
    Aws,
    CfnOutput,
    CfnParameter,
    CfnRule,
    CfnRuleAssertion,
    Duration,
    Fn,
    RemovalPolicy,
    Stack,
)
from aws_cdk import aws_cloudwatch as watch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sns as sns
from constructs import Construct

from stacks.common import BUCKET, KEY_ID, acknowledge, key, log_bucket

_REGION = r"[a-z]{2}(-[a-z]+)+-\d"
_TOPIC = r"arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[\w-]+"
_DAYS = 35  # that a backup is kept
_LATE_MINUTES = 15  # after which S3's own promise of a replica is broken
_RULE = "ToTheSecondRegion"


class Held(Construct):
    """A bucket for backups with a key of its own; what is overwritten or deleted can be had back as long."""

    def __init__(self, scope: Construct, name: str, log_days: int) -> None:
        super().__init__(scope, name)
        self.key = key(self, "Key", "backups")
        self.bucket = s3.Bucket(
            self,
            "Bucket",
            encryption=s3.BucketEncryption.KMS,
            encryption_key=self.key,
            bucket_key_enabled=True,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            enforce_ssl=True,
            versioned=True,
            server_access_logs_bucket=log_bucket(self, log_days),
            server_access_logs_prefix="backups/",
            lifecycle_rules=[
                s3.LifecycleRule(
                    expiration=Duration.days(_DAYS),
                    noncurrent_version_expiration=Duration.days(_DAYS),
                    abort_incomplete_multipart_upload_after=Duration.days(1),
                )
            ],
            removal_policy=RemovalPolicy.RETAIN,
        )
        stack = Stack.of(self)
        CfnOutput(stack, "BackupBucket", value=self.bucket.bucket_name)
        CfnOutput(stack, "BackupKey", value=self.key.key_id)


class Replicated(Construct):
    """A bucket for backups whose objects S3 copies to one of another region. Deletions stay behind."""

    def __init__(self, scope: Construct, log_days: int) -> None:
        super().__init__(scope, "Replicated")
        region, bucket, own = self._second()
        held = Held(scope, "Backups", log_days)
        role = _copier(self, held, region, bucket, own)
        made = held.bucket.node.default_child
        made.replication_configuration = s3.CfnBucket.ReplicationConfigurationProperty(
            role=role.role_arn,
            rules=[
                s3.CfnBucket.ReplicationRuleProperty(
                    id=_RULE,
                    status="Enabled",
                    priority=1,
                    filter=s3.CfnBucket.ReplicationRuleFilterProperty(prefix=""),
                    delete_marker_replication=s3.CfnBucket.DeleteMarkerReplicationProperty(status="Disabled"),
                    source_selection_criteria=s3.CfnBucket.SourceSelectionCriteriaProperty(
                        sse_kms_encrypted_objects=s3.CfnBucket.SseKmsEncryptedObjectsProperty(
                            status="Enabled"
                        )
                    ),
                    destination=s3.CfnBucket.ReplicationDestinationProperty(
                        bucket=bucket,
                        encryption_configuration=s3.CfnBucket.EncryptionConfigurationProperty(
                            replica_kms_key_id=own
                        ),
                        metrics=s3.CfnBucket.MetricsProperty(
                            status="Enabled",
                            event_threshold=s3.CfnBucket.ReplicationTimeValueProperty(minutes=_LATE_MINUTES),
                        ),
                        replication_time=s3.CfnBucket.ReplicationTimeProperty(
                            status="Enabled",
                            time=s3.CfnBucket.ReplicationTimeValueProperty(minutes=_LATE_MINUTES),
                        ),
                    ),
                )
            ],
        )
        self._watch(held.bucket, Fn.select(5, Fn.split(":", bucket)))

    def _second(self) -> tuple[str, str, str]:
        """Region, ARN of the bucket and ARN of its key, of what `RingfenceStandby` has made."""
        stack = Stack.of(self)
        told = {
            name: CfnParameter(
                stack,
                name,
                description=f"{what} of the stack RingfenceStandby in the second region",
                allowed_pattern=f"^{pattern}$",
                constraint_description=of,
            )
            for name, what, pattern, of in (
                ("StandbyRegion", "Region", _REGION, "the name of a region"),
                ("StandbyBucket", "Output BackupBucket", BUCKET, "the name of a bucket"),
                ("StandbyKey", "Output BackupKey", KEY_ID, "the id of a key"),
            )
        }
        region = told["StandbyRegion"].value_as_string
        CfnRule(
            stack,
            "AnotherRegion",
            assertions=[
                CfnRuleAssertion(
                    assert_=Fn.condition_not(Fn.condition_equals(region, Aws.REGION)),
                    assert_description="StandbyRegion is this region: what is lost with it is lost here, too",
                )
            ],
        )
        bucket = stack.format_arn(
            service="s3", region="", account="", resource=told["StandbyBucket"].value_as_string
        )
        own = stack.format_arn(
            service="kms", region=region, resource="key", resource_name=told["StandbyKey"].value_as_string
        )
        return region, bucket, own

    def _watch(self, source: s3.IBucket, destination: str) -> None:
        """What did not arrive, and what is late, to the topic of operations."""
        stack = Stack.of(self)
        told = CfnParameter(
            stack,
            "Operations",
            description="ARN of the topic that hears alarms: output Operations of the alerts' stack",
            allowed_pattern=f"^{_TOPIC}$",
            constraint_description="the ARN of a topic",
        )
        action = actions.SnsAction(sns.Topic.from_topic_arn(self, "Topic", told.value_as_string))
        for name, metric, statistic, most, about in (
            (
                "NotReplicated",
                "OperationsFailedReplication",
                "Sum",
                0,
                "A backup did not arrive in the second region",
            ),
            (
                "ReplicatedLate",
                "ReplicationLatency",
                "Maximum",
                _LATE_MINUTES * 60,
                f"Backups reach the second region after more than {_LATE_MINUTES} minutes",
            ),
        ):
            alarm = watch.Alarm(
                self,
                name,
                metric=watch.Metric(
                    namespace="AWS/S3",
                    metric_name=metric,
                    statistic=statistic,
                    dimensions_map={
                        "SourceBucket": source.bucket_name,
                        "DestinationBucket": destination,
                        "RuleId": _RULE,
                    },
                ),
                threshold=most,
                comparison_operator=watch.ComparisonOperator.GREATER_THAN_THRESHOLD,
                evaluation_periods=1,
                alarm_description=f"{about}. What to do: docs/operations/aws.md",
                treat_missing_data=watch.TreatMissingData.NOT_BREACHING,
            )
            alarm.add_alarm_action(action)
            alarm.add_ok_action(action)


def _copier(scope: Construct, held: Held, region: str, bucket: str, own: str) -> iam.Role:
    """The role that S3 takes to copy: read here, write there, each key for its own bucket alone."""
    source = held.bucket.bucket_arn
    role = iam.Role(
        scope,
        "Copier",
        description="Ringfence: copies backups to the second region",
        assumed_by=iam.ServicePrincipal(
            "s3.amazonaws.com", conditions={"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}}
        ),
    )
    read = ("GetObjectVersionAcl", "GetObjectVersionForReplication", "GetObjectVersionTagging")
    for acts, resource in (
        (("GetReplicationConfiguration", "ListBucket"), source),
        (read, f"{source}/*"),
        (("ReplicateObject", "ReplicateTags"), f"{bucket}/*"),
    ):
        role.add_to_policy(iam.PolicyStatement(actions=[f"s3:{one}" for one in acts], resources=[resource]))
    _use(role, held.key.key_arn, ["kms:Decrypt"], Aws.REGION, source)
    _use(role, own, ["kms:Encrypt", "kms:GenerateDataKey"], region, bucket)
    here = Stack.of(scope).get_logical_id(held.bucket.node.default_child)
    for which in (f"<{here}.Arn>", "arn:<AWS::Partition>:s3:::<StandbyBucket>"):
        acknowledge(role, f"AwsSolutions-IAM5[Resource::{which}/*]", "All objects of the bucket of backups.")
    return role


def _use(role: iam.Role, own: str, acts: list[str], region: str, bucket: str) -> None:
    role.add_to_policy(
        iam.PolicyStatement(
            actions=acts,
            resources=[own],
            conditions={
                "StringEquals": {"kms:ViaService": f"s3.{region}.amazonaws.com"},
                # It names the bucket, and where an object was put without the bucket's key, the object.
                "StringLike": {"kms:EncryptionContext:aws:s3:arn": [bucket, f"{bucket}/*"]},
            },
        )
    )
