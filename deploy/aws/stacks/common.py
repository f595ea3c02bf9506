"""What every part does the same way: keys, buckets, names of metrics, acknowledged findings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Acknowledgment, CfnParameter, Duration, RemovalPolicy, Stack, Validations
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kinesis as kinesis
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3

if TYPE_CHECKING:
    from collections.abc import Sequence

    from constructs import Construct

NAMESPACE = "Ringfence"
IMAGE = r"^[a-z0-9][a-zA-Z0-9._/-]*(:[\w][\w.-]{0,127}|@sha256:[0-9a-f]{64})$"
"""What a parameter that names an image may be: with its tag or digest."""
BUCKET = r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"
"""The name of a bucket."""
KEY_ID = r"(mrk-[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})"
"""The id of a key of KMS."""


def key(scope: Construct, name: str, purpose: str, services: Sequence[str] = ()) -> kms.Key:
    """A key of the customer's own that turns every year; `services` may use it for what they deliver."""
    made = kms.Key(
        scope,
        name,
        description=f"Ringfence: {purpose}",
        enable_key_rotation=True,
        removal_policy=RemovalPolicy.RETAIN,
    )
    for service in services:
        made.grant_encrypt_decrypt(iam.ServicePrincipal(service))
    return made


def log_bucket(scope: Construct, days: int) -> s3.Bucket:
    """Where access logs go. Load balancers and S3 write to buckets with S3's own encryption alone."""
    bucket = s3.Bucket(
        scope,
        "AccessLogs",
        encryption=s3.BucketEncryption.S3_MANAGED,
        block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
        object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
        enforce_ssl=True,
        versioned=True,
        lifecycle_rules=[
            s3.LifecycleRule(
                expiration=Duration.days(max(days, 90)),
                noncurrent_version_expiration=Duration.days(30),
                abort_incomplete_multipart_upload_after=Duration.days(7),
            )
        ],
        removal_policy=RemovalPolicy.RETAIN,
    )
    acknowledge(bucket, "AwsSolutions-S1", "It holds the access logs: logging its own would never end.")
    return bucket


def bucket(scope: Construct, name: str, own: kms.IKey, logs: s3.IBucket, archive_days: int) -> s3.Bucket:
    """A private, versioned, encrypted bucket that accepts TLS alone and logs who reads it."""
    return s3.Bucket(
        scope,
        name,
        encryption=s3.BucketEncryption.KMS,
        encryption_key=own,
        bucket_key_enabled=True,
        block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
        object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
        enforce_ssl=True,
        versioned=True,
        server_access_logs_bucket=logs,
        server_access_logs_prefix=f"{name.lower()}/",
        lifecycle_rules=[
            s3.LifecycleRule(
                transitions=[
                    s3.Transition(
                        storage_class=s3.StorageClass.INTELLIGENT_TIERING,
                        transition_after=Duration.days(archive_days),
                    )
                ],
                noncurrent_version_expiration=Duration.days(90),
                abort_incomplete_multipart_upload_after=Duration.days(7),
            )
        ],
        removal_policy=RemovalPolicy.RETAIN,
    )


def acknowledge(scope: Construct, rule: str, reason: str) -> None:
    """Accept one finding of cdk-nag for one part, with the reason."""
    Validations.of(scope).acknowledge(Acknowledgment(id=rule, reason=reason))


READ_STREAM = ("DescribeStreamSummary", "GetRecords", "GetShardIterator", "ListShards")
"""Actions of Kinesis with which a stream is polled."""
_WRITE_STREAM = ("DescribeStreamSummary", "ListShards", "PutRecord", "PutRecords")


def allow(role: iam.IRole, service: str, actions: Sequence[str], *resources: str) -> None:
    """Give a role these very actions on these resources. CDK's own grants give whole families of actions."""
    role.add_to_principal_policy(
        iam.PolicyStatement(actions=[f"{service}:{action}" for action in actions], resources=list(resources))
    )


def use_key(role: iam.IRole, own: kms.IKey, *, write: bool = False) -> None:
    """Let a role decrypt with a key and, to write, make data keys of it."""
    allow(role, "kms", ("Decrypt", "GenerateDataKey") if write else ("Decrypt",), own.key_arn)


def use_bucket(role: iam.Role, held: s3.Bucket, prefix: str = "", *, write: bool = False) -> None:
    """Let a role read the objects of a bucket below a prefix and, to write, put some there."""
    objects = ("AbortMultipartUpload", "GetObject", "PutObject") if write else ("GetObject",)
    allow(role, "s3", objects, held.arn_for_objects(f"{prefix}*"))
    allow(role, "s3", ("ListBucket",), held.bucket_arn)


def read_stream(role: iam.IRole, stream: kinesis.IStream) -> None:
    """Let a role read a stream."""
    allow(role, "kinesis", READ_STREAM, stream.stream_arn)


def write_stream(role: iam.IRole, stream: kinesis.IStream) -> None:
    """Let a role write to a stream."""
    allow(role, "kinesis", _WRITE_STREAM, stream.stream_arn)


def pull_images(role: iam.IRole, parameter: str) -> None:
    """Let a role pull images of one repository of this account's registry, which a parameter names."""
    stack = Stack.of(role)
    named = CfnParameter(
        stack,
        parameter,
        description="Name of the image's repository in Amazon ECR, in this account and region",
        default="ringfence",
        allowed_pattern=r"^[a-z0-9]+([._/-]+[a-z0-9]+)*$",
        constraint_description="the name of a repository, without registry and tag",
    )
    arn = stack.format_arn(service="ecr", resource="repository", resource_name=named.value_as_string)
    allow(role, "ecr", ("BatchCheckLayerAvailability", "BatchGetImage", "GetDownloadUrlForLayer"), arn)
    allow(role, "ecr", ("GetAuthorizationToken",), "*")  # it opens nothing by itself, and knows no resource
    acknowledge(role, "AwsSolutions-IAM5[Resource::*]", "ecr:GetAuthorizationToken knows no resource.")
