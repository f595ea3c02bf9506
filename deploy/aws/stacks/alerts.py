"""Where alerts go: a bus with rules, topics for the fraud team and for operations, the secret of Slack."""

from __future__ import annotations

from aws_cdk import CfnOutput, Duration, RemovalPolicy, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_secretsmanager as secrets
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from stacks.common import acknowledge, key


class Alerts(Construct):
    """Alerts leave the service on a bus; rules send those of the fraud team to a topic, all to an archive."""

    def __init__(self, scope: Construct) -> None:
        super().__init__(scope, "Alerts")
        services = ["events.amazonaws.com", "cloudwatch.amazonaws.com", "budgets.amazonaws.com"]
        self.key = key(self, "Key", "alerts", services)
        self.fraud = self._topic("FraudTeam", "Alerts for the fraud team")
        self.operations = self._topic("Operations", "Alarms of the installation")
        for service in services[1:]:
            self.operations.grant_publish(iam.ServicePrincipal(service))
        CfnOutput(Stack.of(self), "Operations", value=self.operations.topic_arn)
        self.undelivered = sqs.Queue(
            self,
            "Undelivered",
            encryption=sqs.QueueEncryption.KMS,
            encryption_master_key=self.key,
            enforce_ssl=True,
            retention_period=Duration.days(14),
            removal_policy=RemovalPolicy.RETAIN,
        )
        acknowledge(self.undelivered, "AwsSolutions-SQS3", "It is the dead-letter queue itself.")
        self.bus = events.EventBus(self, "Bus", description="Alerts and decisions of Ringfence")
        self.bus.archive(
            "Archive",
            event_pattern=events.EventPattern(account=[events.EventField.account]),
            retention=Duration.days(30),
        )
        events.Rule(
            self,
            "ToTheFraudTeam",
            event_bus=self.bus,
            description="Alerts, of any severity",
            event_pattern=events.EventPattern(
                source=["ringfence"], detail_type=events.Match.prefix("com.ringfence.alert.")
            ),
            targets=[
                targets.SnsTopic(
                    self.fraud,
                    dead_letter_queue=self.undelivered,
                    retry_attempts=20,
                    max_event_age=Duration.hours(6),
                )
            ],
        )
        self.slack = secrets.Secret(
            self,
            "Slack",
            description="Ringfence: token of the Slack app. Put it in after the first deployment",
            encryption_key=self.key,
            removal_policy=RemovalPolicy.RETAIN,
        )
        acknowledge(self.slack, "AwsSolutions-SMG4", "Slack gives this token: only a person can exchange it.")

    def _topic(self, name: str, title: str) -> sns.Topic:
        return sns.Topic(self, name, display_name=title, master_key=self.key, enforce_ssl=True)
