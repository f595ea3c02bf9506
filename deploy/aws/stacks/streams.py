"""Kinesis streams of payments and decisions, and where what cannot be delivered waits."""

from __future__ import annotations

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_kinesis as kinesis
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from stacks.common import acknowledge, key


class Streams(Construct):
    """Two streams that keep a week, on demand, and a dead-letter queue that keeps two."""

    def __init__(self, scope: Construct) -> None:
        super().__init__(scope, "Streams")
        self.key = key(self, "Key", "payments and decisions in transit")
        self.payments = self._stream("Payments")
        self.decisions = self._stream("Decisions")
        self.dead_letters = sqs.Queue(
            self,
            "DeadLetters",
            encryption=sqs.QueueEncryption.KMS,
            encryption_master_key=self.key,
            enforce_ssl=True,
            retention_period=Duration.days(14),
            removal_policy=RemovalPolicy.RETAIN,
        )

        acknowledge(self.dead_letters, "AwsSolutions-SQS3", "It is the dead-letter queue itself.")
        for stream in (self.payments, self.decisions):
            acknowledge(stream, "AwsSolutions-KDS3", "A key of the customer's own, whose use can be audited.")

    def _stream(self, name: str) -> kinesis.Stream:
        return kinesis.Stream(
            self,
            name,
            stream_mode=kinesis.StreamMode.ON_DEMAND,
            retention_period=Duration.days(7),
            encryption=kinesis.StreamEncryption.KMS,
            encryption_key=self.key,
            removal_policy=RemovalPolicy.RETAIN,
        )
