"""The stacks of both profiles."""

from __future__ import annotations

from aws_cdk import App, BootstraplessSynthesizer, CfnOutput, Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_secretsmanager as secrets

from stacks.alerts import Alerts
from stacks.backing_up import back_up
from stacks.backups import Held, Replicated
from stacks.common import (
    acknowledge,
    allow,
    key,
    log_bucket,
    read_stream,
    use_bucket,
    use_key,
    write_stream,
)
from stacks.model import Model
from stacks.network import Network
from stacks.pipeline import Pipeline
from stacks.profile import LARGE, SMALL
from stacks.scale import Scale
from stacks.service import Service
from stacks.store import PORT, Audit, Store
from stacks.streams import Streams
from stacks.wanted import allow_wanted, fan_out
from stacks.watch import Watch, tag


def build(app: App, *, owner: str = "fraud-team", environment: str = "production") -> list[Stack]:
    """All stacks of both profiles; `cdk deploy` takes those that you name."""
    found = {SMALL.name: [_small(app)], LARGE.name: _large(app), "any": _of_two_regions(app)}
    for profile, stacks in found.items():
        for stack in stacks:
            tag(stack, profile, owner, environment)
    return [stack for stacks in found.values() for stack in stacks]


def _of_two_regions(app: App) -> list[Stack]:
    """For either profile: backups here and copies in a second region, by CloudFormation alone."""
    made = {
        name: Stack(
            app,
            f"Ringfence{name}",
            description=f"Ringfence: {about}",
            synthesizer=BootstraplessSynthesizer(),
            termination_protection=True,
        )
        for name, about in (
            ("Standby", "copies of backups, for the second region"),
            ("Backups", "backups, and their way to the second region"),
        )
    }
    Held(made["Standby"], "Backups", LARGE.log_days)
    Replicated(made["Backups"], LARGE.log_days)
    return list(made.values())


def _small(app: App) -> Stack:
    """Everything in one stack, which CloudFormation deploys alone: no assets, no bootstrap."""
    stack = Stack(
        app,
        "RingfenceSmall",
        description="Ringfence, small: one task, its volume, alerts and alarms",
        synthesizer=BootstraplessSynthesizer(),
        termination_protection=True,
    )
    network = Network(stack, SMALL)
    logs = log_bucket(stack, SMALL.log_days)
    audit = Audit(stack, key(stack, "AuditKey", "audit items")).table
    alerts = Alerts(stack)
    environment = {"RINGFENCE_DYNAMODB_TABLE": audit.table_name, **_told_of(alerts)}
    service = Service(stack, SMALL, network, logs, environment)
    role = service.task.task_role
    _write_audit(role, audit)
    _send_alerts(role, alerts)
    allow_wanted(service.task, network, private=SMALL.private)
    back_up(service.task, alerts.operations)
    alerts.slack.grant_read(role)
    watch = Watch(stack, SMALL, alerts.operations)
    watch.service(service)
    watch.queue("Undelivered", alerts.undelivered)
    watch.finish()
    CfnOutput(stack, "AuditTable", value=audit.table_name)
    return stack


def _large(app: App) -> list[Stack]:
    """One stack for each concern, so that a change of one touches no other."""

    def stack(name: str, about: str) -> Stack:
        return Stack(app, f"Ringfence{name}", description=f"Ringfence: {about}", termination_protection=True)

    network_stack = stack("Network", "subnets, endpoints, flow logs")
    network = Network(network_stack, LARGE)
    streams_stack = stack("Streams", "Kinesis streams and dead letters")
    streams = Streams(streams_stack)
    store_stack = stack("Store", "PostgreSQL, buckets, the audit table")
    store = Store(store_stack, LARGE, network)
    alerts_stack = stack("Alerts", "bus, topics, the secret of Slack")
    alerts = Alerts(alerts_stack)
    model_stack = stack("Model", "the model as a SageMaker endpoint")
    model = Model(model_stack, LARGE, store.models)
    service_stack = stack("Service", "the deciding task and its balancer")
    service = _large_service(service_stack, network, store, streams, alerts, model)
    scale_stack = stack("Scale", "the distributed host on managed Flink")
    Scale(scale_stack, LARGE, streams, store.models)
    watch_stack = stack("Watch", "alarms, dashboard, budget")
    watch = Watch(watch_stack, LARGE, alerts.operations)
    watch.service(service)
    watch.store(store)
    watch.streams(streams)
    watch.queue("DeadLetters", streams.dead_letters)
    watch.queue("Undelivered", alerts.undelivered)
    watch.finish()
    pipeline_stack = stack("Pipeline", "deployment from GitHub Actions")
    Pipeline(pipeline_stack)
    return [
        network_stack,
        streams_stack,
        store_stack,
        alerts_stack,
        model_stack,
        service_stack,
        scale_stack,
        watch_stack,
        pipeline_stack,
    ]


def _large_service(
    stack: Stack, network: Network, store: Store, streams: Streams, alerts: Alerts, model: Model
) -> Service:
    secret = secrets.Secret.from_secret_complete_arn(
        stack, "DatabaseSecret", store.database.secret.secret_arn
    )
    host = store.database.db_instance_endpoint_address
    service = Service(
        stack,
        LARGE,
        network,
        log_bucket(stack, LARGE.log_days),
        {
            "RINGFENCE_STORE_URL": f"postgresql://ringfence@{host}:{PORT}/ringfence?sslmode=require",
            "RINGFENCE_STORE_PASSWORD": f"secret://aws/{secret.secret_arn}#password",
            "RINGFENCE_DYNAMODB_TABLE": store.audit.table_name,
            **_told_of(alerts),
        },
    )
    secret.grant_read(service.task.task_role)
    ec2.CfnSecurityGroupIngress(
        stack,
        "ServiceToDatabase",
        description="PostgreSQL, for the deciding task",
        group_id=store.guard.security_group_id,
        source_security_group_id=service.guard.security_group_id,
        ip_protocol="tcp",
        from_port=PORT,
        to_port=PORT,
    )
    role = service.task.task_role
    _decrypt(role, store.key)
    for bucket in store.buckets:
        use_bucket(role, bucket, write=True)
    use_key(role, store.key, write=True)
    _write_audit(role, store.audit)
    read_stream(role, streams.payments)
    write_stream(role, streams.decisions)
    use_key(role, streams.key, write=True)
    _send_alerts(role, alerts)
    allow_wanted(service.task, network, private=LARGE.private)
    back_up(service.task, alerts.operations)
    fan_out(role, "PaymentsConsumer", "the stream of payments", streams.payments.stream_arn)
    for name in ("Landing7141C7BFArn9A8B3447", "Models7414EF8FArn0A92314F"):
        acknowledge(
            role,
            f"AwsSolutions-IAM5[Resource::RingfenceStore:ExportsOutputFnGetAttStore{name}/*]",
            "All objects of the two buckets that are the service's own.",
        )
    secrets.Secret.from_secret_complete_arn(stack, "SlackSecret", alerts.slack.secret_arn).grant_read(role)
    _decrypt(role, alerts.key)
    role.add_to_principal_policy(
        iam.PolicyStatement(actions=["sagemaker:InvokeEndpoint"], resources=[model.arn])
    )
    return service


def _write_audit(role: iam.IRole, table: dynamodb.Table) -> None:
    actions = ("BatchGetItem", "BatchWriteItem", "DescribeTable", "GetItem", "PutItem", "Query", "UpdateItem")
    allow(role, "dynamodb", actions, table.table_arn)
    use_key(role, table.encryption_key, write=True)


def _told_of(alerts: Alerts) -> dict[str, str]:
    return {"RINGFENCE_SLACK_TOKEN": f"secret://aws/{alerts.slack.secret_arn}"}


def _send_alerts(role: iam.IRole, alerts: Alerts) -> None:
    allow(role, "events", ("PutEvents",), alerts.bus.event_bus_arn)
    allow(role, "sns", ("Publish",), alerts.fraud.topic_arn)
    use_key(role, alerts.key, write=True)


def _decrypt(role: iam.IRole, own: kms.IKey) -> None:
    """Let a role of this stack read what Secrets Manager encrypted with the key of another.

    Written here, since a grant would put the role into the key's policy: each stack would need the other.
    """
    role.add_to_principal_policy(
        iam.PolicyStatement(
            actions=["kms:Decrypt"],
            resources=[own.key_arn],
            conditions={"StringLike": {"kms:ViaService": "secretsmanager.*.amazonaws.com"}},
        )
    )
