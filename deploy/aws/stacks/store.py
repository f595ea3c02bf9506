"""What is kept: PostgreSQL without a public address, buckets, and the audit item by key in DynamoDB."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_rds as rds
from aws_cdk import aws_s3 as s3
from constructs import Construct

from stacks.common import acknowledge, bucket, key, log_bucket

if TYPE_CHECKING:
    from aws_cdk import aws_kms as kms

    from stacks.network import Network
    from stacks.profile import Profile

PORT = 5437
"""Of PostgreSQL: scanners knock at 5432."""


class Audit(Construct):
    """The audit item of each decision by account and transaction; a query by account has all of one."""

    def __init__(self, scope: Construct, own: kms.IKey) -> None:
        super().__init__(scope, "Audit")
        self.table = dynamodb.Table(
            self,
            "Table",
            partition_key=dynamodb.Attribute(name="account_id", type=dynamodb.AttributeType.STRING),
            sort_key=dynamodb.Attribute(name="transaction_id", type=dynamodb.AttributeType.STRING),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            encryption=dynamodb.TableEncryption.CUSTOMER_MANAGED,
            encryption_key=own,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            time_to_live_attribute="expires_at",
            deletion_protection=True,
            removal_policy=RemovalPolicy.RETAIN,
        )


class Store(Construct):
    """The relational store, the landing zone, the registry of models, the audit table."""

    def __init__(self, scope: Construct, profile: Profile, network: Network) -> None:
        super().__init__(scope, "Store")
        self.key = key(self, "Key", "stored payments and decisions")
        self.logs = log_bucket(self, profile.log_days)
        self.landing = bucket(self, "Landing", self.key, self.logs, archive_days=30)
        self.models = bucket(self, "Models", self.key, self.logs, archive_days=180)
        self.audit = Audit(self, self.key).table
        self.guard = ec2.SecurityGroup(
            self,
            "Guard",
            vpc=network.vpc,
            description="PostgreSQL, for the service",
            allow_all_outbound=False,
        )
        self.database = self._database(profile, network)

    @property
    def buckets(self) -> list[s3.Bucket]:
        """What the service may write to."""
        return [self.landing, self.models]

    def _database(self, profile: Profile, network: Network) -> rds.DatabaseInstance:
        engine = rds.DatabaseInstanceEngine.postgres(version=rds.PostgresEngineVersion.VER_17_9)
        parameters = rds.ParameterGroup(
            self,
            "Parameters",
            engine=engine,
            description="TLS alone, and slow statements in the log",
            parameters={
                "rds.force_ssl": "1",
                "log_min_duration_statement": "1000",
                "log_connections": "1",
                "log_disconnections": "1",
                "idle_in_transaction_session_timeout": "60000",
            },
        )
        database = rds.DatabaseInstance(
            self,
            "Database",
            engine=engine,
            instance_type=ec2.InstanceType(profile.database),
            vpc=network.vpc,
            vpc_subnets=network.data_subnets,
            security_groups=[self.guard],
            publicly_accessible=False,
            multi_az=True,
            port=PORT,
            database_name="ringfence",
            credentials=rds.Credentials.from_generated_secret("ringfence", encryption_key=self.key),
            parameter_group=parameters,
            allocated_storage=profile.database_gib,
            max_allocated_storage=profile.database_gib * 4,
            storage_type=rds.StorageType.GP3,
            storage_encrypted=True,
            storage_encryption_key=self.key,
            backup_retention=Duration.days(profile.backup_days),
            copy_tags_to_snapshot=True,
            deletion_protection=True,
            delete_automated_backups=False,
            iam_authentication=True,
            enable_performance_insights=True,
            performance_insight_encryption_key=self.key,
            cloudwatch_logs_exports=["postgresql", "upgrade"],
            auto_minor_version_upgrade=True,
            monitoring_interval=Duration.seconds(60),
            removal_policy=RemovalPolicy.RETAIN,
        )
        database.add_rotation_single_user(
            automatically_after=Duration.days(30),
            vpc_subnets=network.service_subnets,
            exclude_characters=" %+~`#$&*()|[]{}:;<>?!'/@\"\\",
        )
        acknowledge(
            database,
            "AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole]",
            "AWS keeps the one policy with which RDS writes its own metrics.",
        )
        return database
