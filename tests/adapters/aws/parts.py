"""Everything that asks AWS, in one table: how it is asked, which right it needs, how AWS refuses it."""

import json
from collections.abc import Callable
from contextlib import closing
from functools import cache
from typing import NamedTuple

import numpy as np
from tests.adapters.aws import emulator
from tests.adapters.aws.proxy import AwsProxy
from tests.adapters.remote.test_sagemaker import model

from ringfence.adapters.aws import AuditTable, aws_client
from ringfence.adapters.backup import kept_at
from ringfence.adapters.kinesis.address import KinesisAddress
from ringfence.adapters.kinesis.lease_table import LeaseTable
from ringfence.adapters.kinesis.sink import OPTIONS, KinesisSink
from ringfence.adapters.landing import open_place
from ringfence.adapters.secrets import secret_of
from ringfence.bus.notifier import AttemptEnd, Message
from ringfence.bus.words import Words
from ringfence.compose.folder.cypher import neptune_graph
from ringfence.compose.messaging.notifiers import notifier
from ringfence.compose.streams import files_of, kinesis_streams
from ringfence.errors import RingfenceError
from ringfence.follow import catch_up
from ringfence.settings import Settings

REGION, ACCOUNT = emulator.REGION, "123456789012"
JSON, FORM, S3, MODEL = "json", "form", "s3", "model"


@cache
def proxy():
    return AwsProxy(emulator.address())


class Part(NamedTuple):
    """What asks AWS by `ask(store, folder)`; the right it asks with, on what; in which form AWS refuses."""

    ask: Callable
    right: str
    on: str
    form: str = JSON
    absent: str = ""  # what is said of a resource that is not there


def sending(to, kind, **settings):
    def ask(_store, _folder):
        event = {"specversion": "1.0", "type": "a.b", "id": "1", "source": "/l", "data": {}}
        words = Words("Title", (("", "Text"),))
        with closing(notifier(kind, Settings(**settings))) as sender:
            outcome = sender.deliver(Message("m", json.dumps(event).encode(), words, to))
        if outcome.answer is not AttemptEnd.DELIVERED:
            raise RingfenceError(outcome.said)

    return ask


def sink(store, folder):
    address = KinesisAddress.of("kinesis://decisions", OPTIONS)
    with closing(KinesisSink(store.log, aws_client("kinesis"), address, folder, sleep=list)) as follower:
        catch_up(store.log, follower, all_of_it=True)


def audit(store, _folder):
    AuditTable(store.log, aws_client("dynamodb"), "audit", "x", sleep=list).positions()


def leases(_store, _folder):
    LeaseTable(aws_client("dynamodb"), "leases").of(arn("kinesis", "stream/payments"))


def scorer(_store, folder):
    with closing(model(proxy(), folder / "model")) as scorer:
        scorer.score(np.zeros((1, len(scorer.inputs))))


def graph(_store, _folder):
    neptune_graph(proxy().url).run("MATCH (n) RETURN n LIMIT 1", {})


def arn(service, name):
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{name}"


NO_SHELF = "s3://lake/backups: s3:ListBucket fails with NoSuchBucket .*look at its name and region"
NO_LAKE = "s3://lake/zone: s3:.* fails with NoSuchBucket .*look at its name and region"
PHONE, MAIL = "+491701234567", "team@bank.example"
TOPIC, QUEUE, BUS = arn("sns", "fraud"), arn("sqs", "fraud"), arn("events", "event-bus/fraud")
BY_SES = {"mail_by": "ses", "mail_from": "fraud@bank.example"}
STREAM = arn("kinesis", "stream/payments")
PARTS = {
    "source": Part(
        lambda *_: kinesis_streams("kinesis://payments"),
        "DescribeStreamSummary",
        STREAM,
        absent="no stream 'payments' in eu-central-1: look at its name and region",
    ),
    "consumer": Part(
        lambda *_: kinesis_streams("kinesis://payments?consumer=ringfence"),
        "DescribeStreamSummary",
        STREAM,
        absent="no stream 'payments' in eu-central-1: look at its name and region",
    ),
    "sink": Part(
        sink,
        "PutRecords",
        arn("kinesis", "stream/decisions"),
        absent=r"stream decisions: PutRecords .*look at its name and region",
    ),
    "table source": Part(
        lambda *_: kinesis_streams("dynamodb://users"),
        "ListStreams",
        "*",
        absent="table 'users' has no stream in eu-central-1: look at its name and region",
    ),
    "bucket source": Part(
        lambda *_: files_of("s3://lake/people/"),
        "ListBucket",
        "arn:aws:s3:::lake",
        S3,
        "no bucket 'lake' for eu-central-1: look at its name and region",
    ),
    "landing zone": Part(
        lambda *_: open_place("s3://lake/zone").names(""), "ListBucket", "arn:aws:s3:::lake", S3, NO_LAKE
    ),
    "landing": Part(
        lambda *_: open_place("s3://lake/zone").create("a", b"x"),
        "PutObject",
        "arn:aws:s3:::lake/zone/a",
        S3,
        NO_LAKE,
    ),
    "landing backup": Part(
        lambda *_: kept_at("s3://lake/backups"), "ListBucket", "arn:aws:s3:::lake", S3, NO_SHELF
    ),
    "audit table": Part(
        audit,
        "GetItem",
        arn("dynamodb", "table/audit"),
        absent="table audit: GetItem .*look at its name and region",
    ),
    "leases": Part(
        leases,
        "Query",
        arn("dynamodb", "table/leases"),
        absent="no table 'leases' .*in eu-central-1: aws dynamodb create-table",
    ),
    "topic": Part(
        sending(TOPIC, "sns"), "Publish", TOPIC, FORM, f"{TOPIC}: Publish .*look at its name and region"
    ),
    "queue": Part(
        sending(QUEUE, "sqs"),
        "SendMessage",
        QUEUE,
        absent=f"{QUEUE}: SendMessage .*look at its name and region",
    ),
    "bus": Part(
        sending(BUS, "eventbridge"),
        "PutEvents",
        BUS,
        absent=f"{BUS}: PutEvents .*look at its name and region",
    ),
    "e-mail": Part(
        sending(MAIL, "mail", **BY_SES),
        "SendEmail",
        arn("ses", "identity/bank.example"),
        absent="fraud@bank.example.*have SES verify the sender",
    ),
    "text by SNS": Part(sending(PHONE, "sms", sms_by="sns"), "Publish", PHONE, FORM),
    "text": Part(
        sending(PHONE, "sms", sms_by="end-user-messaging"), "SendTextMessage", arn("sms-voice", "pool/p")
    ),
    "model": Part(
        scorer,
        "InvokeEndpoint",
        arn("sagemaker", "endpoint/cards"),
        MODEL,
        "Endpoint cards .*name and region",
    ),
    "secret": Part(
        lambda *_: secret_of("secret://aws/ringfence/slack").value(),
        "GetSecretValue",
        arn("secretsmanager", "secret:ringfence/slack"),
        absent="ringfence/slack: GetSecretValue .*look at its name and region",
    ),
    "graph": Part(graph, "ExecuteOpenCypherQuery", arn("neptune-db", "cluster/*")),
}


def refused(form, code, message, status=400, **headers):
    """An answer of AWS in the words of each of its protocols."""
    if form == MODEL:
        return status, headers, json.dumps({"Message": message}).encode()
    if form == JSON:
        body = json.dumps({"__type": code, "message": message})
        return status, {"x-amzn-errortype": code, "content-type": "application/x-amz-json-1.1"}, body.encode()
    region = f"<Region>{headers['x_amz_bucket_region']}</Region>" if headers else ""
    body = f"<Error><Code>{code}</Code><Message>{message}</Message>{region}</Error>"
    body = f"<ErrorResponse>{body}</ErrorResponse>" if form == FORM else body
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return status, headers | {"content-type": "application/xml"}, body.encode()
