"""Beyond one machine: the distributed host on Amazon Managed Service for Apache Flink."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import ArnFormat, CfnParameter, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kinesisanalyticsv2 as flink
from aws_cdk import aws_logs as logs
from constructs import Construct

from stacks.common import acknowledge, key, read_stream, use_bucket, use_key, write_stream

if TYPE_CHECKING:
    from aws_cdk import aws_s3 as s3

    from stacks.profile import Profile
    from stacks.streams import Streams


_MODELS = "RingfenceStore:ExportsOutputFnGetAttStoreModels7414EF8FArn0A92314F"


class Scale(Construct):
    """A Flink application that reads payments and writes decisions, with a checkpoint a minute."""

    def __init__(self, scope: Construct, profile: Profile, streams: Streams, packages: s3.Bucket) -> None:
        super().__init__(scope, "Scale")
        package = CfnParameter(
            self,
            "Package",
            description="Key of Ringfence's Flink package in the bucket of models",
            default="flink/ringfence.zip",
            allowed_pattern=r"^[\w./-]+\.zip$",
        )
        package.override_logical_id("FlinkPackage")
        group = logs.LogGroup(
            self,
            "Logs",
            retention=logs.RetentionDays.ONE_YEAR,
            encryption_key=key(self, "LogKey", "logs of Flink", ["logs.amazonaws.com"]),
            removal_policy=RemovalPolicy.RETAIN,
        )
        stream = logs.LogStream(self, "LogStream", log_group=group, removal_policy=RemovalPolicy.RETAIN)
        role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("kinesisanalytics.amazonaws.com"))
        use_bucket(role, packages, "flink/")
        use_key(role, packages.encryption_key)
        use_key(role, streams.key, write=True)
        read_stream(role, streams.payments)
        write_stream(role, streams.decisions)
        group.grant_write(role)
        acknowledge(
            role,
            f"AwsSolutions-IAM5[Resource::{_MODELS}/flink/*]",
            "The objects of one prefix of one bucket: their names are those of versions.",
        )
        self.application = flink.CfnApplication(
            self,
            "Application",
            runtime_environment="FLINK-1_20",
            service_execution_role=role.role_arn,
            application_description="Ringfence, distributed",
            application_configuration=flink.CfnApplication.ApplicationConfigurationProperty(
                application_code_configuration=flink.CfnApplication.ApplicationCodeConfigurationProperty(
                    code_content_type="ZIPFILE",
                    code_content=flink.CfnApplication.CodeContentProperty(
                        s3_content_location=flink.CfnApplication.S3ContentLocationProperty(
                            bucket_arn=packages.bucket_arn, file_key=package.value_as_string
                        )
                    ),
                ),
                application_snapshot_configuration=(
                    flink.CfnApplication.ApplicationSnapshotConfigurationProperty(snapshots_enabled=True)
                ),
                environment_properties=flink.CfnApplication.EnvironmentPropertiesProperty(
                    property_groups=[
                        flink.CfnApplication.PropertyGroupProperty(
                            property_group_id="ringfence",
                            property_map={
                                "payments": streams.payments.stream_arn,
                                "decisions": streams.decisions.stream_arn,
                            },
                        )
                    ]
                ),
                flink_application_configuration=flink.CfnApplication.FlinkApplicationConfigurationProperty(
                    checkpoint_configuration=flink.CfnApplication.CheckpointConfigurationProperty(
                        configuration_type="CUSTOM", checkpointing_enabled=True, checkpoint_interval=60_000
                    ),
                    monitoring_configuration=flink.CfnApplication.MonitoringConfigurationProperty(
                        configuration_type="CUSTOM", metrics_level="TASK", log_level="INFO"
                    ),
                    parallelism_configuration=flink.CfnApplication.ParallelismConfigurationProperty(
                        configuration_type="CUSTOM",
                        parallelism=profile.flink_units,
                        parallelism_per_kpu=1,
                        auto_scaling_enabled=True,
                    ),
                ),
            ),
        )
        self.application.node.add_dependency(role)
        stream_arn = Stack.of(self).format_arn(
            service="logs",
            resource="log-group",
            resource_name=f"{group.log_group_name}:log-stream:{stream.log_stream_name}",
            arn_format=ArnFormat.COLON_RESOURCE_NAME,
        )
        option = flink.CfnApplicationCloudWatchLoggingOption
        logging = option(
            self,
            "Logging",
            application_name=self.application.ref,
            cloud_watch_logging_option=option.CloudWatchLoggingOptionProperty(log_stream_arn=stream_arn),
        )
        logging.add_resource_dependency(self.application)
