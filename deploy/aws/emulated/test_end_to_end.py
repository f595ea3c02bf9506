"""The stacks in an emulator, and everything of Ringfence that speaks to them, through an outage of all of it.

Records into Kinesis → decisions → S3, DynamoDB, PostgreSQL, Kinesis, SNS and EventBridge → a receiver of
Slack. In the middle the emulator stops and starts again. At the end each place is reconciled with the log:
exactly once in S3, DynamoDB and PostgreSQL, at least once and known again by an id elsewhere.
"""

import json
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import boto3
import duckdb
import httpx
import pytest
from tests.bus.receivers import Receiver
from tests.postgres import database, rows

from .emulator import REGION, Emulator
from .stacks import NOT_EMULATED, by_type, deploy, imported, network, template

PATIENCE_SECONDS = 120.0
RINGFENCE = Path(sys.executable).parent / "ringfence"
STACKS = ("RingfenceStore", "RingfenceStreams", "RingfenceAlerts")
RULES = """
name: emulated
rules:
  - id: large
    title: A large amount
    when: amount > 1000
    outcome: decline
    reason: LARGE
    analyst: A large amount.
    customer: We stopped a payment. Was it you?
    typology: lost or stolen card
    tags: [amount]
    owner: fraud-team
  - id: young
    title: Somebody young pays much
    when: customer.profile.age < 18 and amount > 100
    outcome: review
    reason: YOUNG
    analyst: The customer is a minor.
    customer: We look at a payment.
    typology: account takeover
    tags: [profile]
    owner: fraud-team
"""
DEMOGRAPHIC = """
[[records]]
kind = "profile"
[records.fields]
event_time = "dynamodb_time"
customer_id = "user_id"
entity_type = { constant = "customer" }
entity_id = { field = "customer_id" }
[records.attributes]
age = "age"
"""


def until(what, why="it did not happen"):
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            found = what()
        except httpx.TransportError:
            found = None
        if found:
            return found
        assert time.monotonic() < end, why() if callable(why) else why
        time.sleep(0.2)


@pytest.fixture(scope="module")
def aws(tmp_path_factory):
    """The emulator, with its environment for boto3 here and for programs."""
    made = Emulator(tmp_path_factory.mktemp("aws"))
    made.start()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in made.environment.items():
            patch.setenv(name, value)
        yield made
    made.stop()


@pytest.fixture(scope="module")
def deployed(aws):
    """Resources by stack and logical id."""
    client = boto3.client("cloudformation")
    templates = {name: template(name) for name in STACKS}
    imports = set().union(*map(imported, templates.values()))
    deploy(client, "RingfenceNetwork", network(sorted(imports)))
    return {name: deploy(client, name, told) for name, told in templates.items()}


def test_every_resource_of_the_stacks_is_made_but_what_is_named(deployed):
    states = {one["ResourceStatus"] for stack in deployed.values() for one in stack.values()}
    assert states == {"CREATE_COMPLETE"}
    for name in STACKS:
        assert set(deployed[name]) == set(template(name)["Resources"])
    kinds = {one["ResourceType"] for stack in deployed.values() for one in stack.values()}
    assert not kinds & set(NOT_EMULATED)


class Installation:
    """Names of what was deployed, and a project whose settings name it."""

    def __init__(self, folder, deployed, slack):
        self.folder, self.slack, self.store_url = folder, slack, database()
        store, streams, alerts = (deployed[name] for name in STACKS)
        names = by_type(streams, "AWS::Kinesis::Stream")
        self.payments = next(value for name, value in names.items() if "Payments" in name)
        self.decisions = next(value for name, value in names.items() if "Decisions" in name)
        (self.table,) = by_type(store, "AWS::DynamoDB::Table").values()
        buckets = by_type(store, "AWS::S3::Bucket")
        self.landing = next(value for name, value in buckets.items() if "Landing" in name)
        topics = by_type(alerts, "AWS::SNS::Topic")
        self.topic = next(value for name, value in topics.items() if "FraudTeam" in name)
        (bus,) = by_type(alerts, "AWS::Events::EventBus").values()
        self.bus = (
            bus if bus.startswith("arn:") else f"arn:aws:events:{REGION}:{self.account}:event-bus/{bus}"
        )
        (self.secret,) = by_type(alerts, "AWS::SecretsManager::Secret").values()
        (folder / "rules.yaml").write_text(RULES)
        (folder / "demographic.toml").write_text(DEMOGRAPHIC)
        (folder / "alerts.toml").write_text(f'team = ["{self.bus}"]\n')
        self.sources = (
            f"kinesis://{self.payments}",
            "kinesis://demographic?format=dynamodb&mapping=demographic.toml",
        )
        (folder / "ringfence.toml").write_text(
            f"""
rules = "rules.yaml"
dynamodb_table = "{self.table}"
landing_url = "s3://{self.landing}/lake"
landing_file_seconds = 1
store_url = "{self.store_url}"
kinesis_sink = "kinesis://{self.decisions}"
slack_token = "secret://aws/{self.secret}"
slack_url = "http://127.0.0.1:{slack.port}/api/"
sources = {json.dumps(self.sources)}
"""
        )

    @property
    def backups(self):
        """In the encrypted bucket of the store's stack, which goes through the outage with all else."""
        return f"s3://{self.landing}/backups"

    @property
    def account(self):
        return self.topic.split(":")[4]

    def run(self, *words):
        ended = subprocess.run(
            [RINGFENCE, *words], cwd=self.folder, capture_output=True, text=True, check=False
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    @contextmanager
    def served(self):
        """The server at work; it ends in order."""
        said = self.folder / "said"
        with said.open("w") as stream:
            running = subprocess.Popen(
                [RINGFENCE, "serve", "--port", "0"], cwd=self.folder, stdout=stream, stderr=stream
            )
            try:
                found = until(lambda: re.search(r"Deciding at (\S+)", said.read_text()), said.read_text)
                yield found.group(1)
            finally:
                running.send_signal(signal.SIGTERM)
                running.wait(60)

    def pay(self, first, count, **more):
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        told = [
            {
                "transaction_id": f"p{number}",
                "event_time": now,
                "amount": 5000 if number % 40 == 0 else 20,
                "currency": "EUR",
                "account_id": f"acc-{number % 7}",
                "customer_id": f"user-{number % 7}",
            }
            | more
            for number in range(first, first + count)
        ]
        records = [{"Data": json.dumps(one), "PartitionKey": one["account_id"]} for one in told]
        answer = boto3.client("kinesis").put_records(StreamName=self.payments, Records=records)
        assert answer["FailedRecordCount"] == 0

    def landed(self):
        """How often each offset is in the files of decisions in the bucket."""
        client = boto3.client("s3")
        found = []
        for page in client.get_paginator("list_objects_v2").paginate(
            Bucket=self.landing, Prefix="lake/decisions/"
        ):
            for one in page.get("Contents", []):
                if one["Key"].endswith(".parquet"):
                    path = self.folder / "file.parquet"
                    client.download_file(self.landing, one["Key"], str(path))
                    found += duckdb.sql(f"SELECT transaction_id FROM '{path}'").fetchall()
        return sorted(name for (name,) in found)

    def items(self):
        pages = boto3.client("dynamodb").get_paginator("scan").paginate(TableName=self.table)
        return sorted(
            one["transaction_id"]["S"] for page in pages for one in page["Items"] if "outcome" in one
        )

    def streamed(self):
        """Decisions in the stream, by their addresses in the log."""
        client, found = boto3.client("kinesis"), {}
        for shard in client.list_shards(StreamName=self.decisions)["Shards"]:
            asked = {"StreamName": self.decisions, "ShardId": shard["ShardId"]}
            at = client.get_shard_iterator(**asked, ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
            for record in client.get_records(ShardIterator=at, Limit=10_000)["Records"]:
                told = json.loads(record["Data"])
                found[told["log"], told["offset"]] = told["data"]["transaction_id"]
        return sorted(found.values())

    def restored(self):
        """Decided after the folder was lost: a backup from the middle, and what the streams still have."""
        begin = time.monotonic()
        self.run("restore", self.backups, "--data", "again")
        behind = self.run("sql", "SELECT count(*) FROM decisions", "--data", "again", "--format", "json")
        assert "120" in behind  # of the 241
        for source in self.sources[::-1]:  # profiles first: who pays is known before
            self.run("run", source, "--data", "again")
        print(f"Restored and caught up from the streams in {time.monotonic() - begin:.1f} s")
        told = self.run("sql", "SELECT transaction_id FROM decisions", "--data", "again", "--format", "json")
        return sorted(one["transaction_id"] for one in map(json.loads, told.splitlines()))

    def stored(self):
        return sorted(name for (name,) in rows(self.store_url, "SELECT transaction_id FROM decisions"))


def read_all(client, url):
    """Bodies of all messages of a queue, which are taken out of it."""
    found = []
    while messages := client.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
        found += [json.loads(one["Body"]) for one in messages]
        for one in messages:
            client.delete_message(QueueUrl=url, ReceiptHandle=one["ReceiptHandle"])
    return found


def slacked(slack):
    return [json.loads(body) for _, body in slack.requests if body]


@pytest.mark.slow
def test_every_payment_is_in_every_place_through_an_outage(aws, deployed, tmp_path):
    with Receiver(200) as slack:
        slack.body = b'{"ok": true}'
        here = Installation(tmp_path, deployed, slack)
        boto3.client("secretsmanager").put_secret_value(SecretId=here.secret, SecretString="xoxb-emulated")
        sqs, sns = boto3.client("sqs"), boto3.client("sns")
        reader = sqs.create_queue(QueueName="reader")["QueueUrl"]
        arn = f"arn:aws:sqs:{REGION}:{here.account}:reader"
        sns.subscribe(
            TopicArn=here.topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"}
        )
        demographic()
        here.run("store", "init")
        with here.served() as url:
            here.run("bus", "subscribe", "team", "--to", "slack:#fraud", "--pattern", "outcome = 'decline'")
            here.pay(0, 120)
            until(lambda: httpx.get(f"{url}/readyz").json()["offset"] >= 120)
            here.run("backup", here.backups)
            aws.stop()
            time.sleep(2)  # every reader and follower meets it
            assert httpx.get(f"{url}/healthz").status_code == 200
            aws.start()
            here.pay(120, 120)
            put_user("user-6", 12)
            until(lambda: "user-6" in here.run("sql", PROFILES))
            here.pay(240, 1, customer_id="user-6", account_id="acc-6", amount=500)
            wanted = sorted(f"p{number}" for number in range(241))
            declined = {f"p{number}" for number in range(0, 240, 40)}
            until(lambda: '"p240"' in httpx.get(f"{url}/v1/decisions/p240").text)
            assert "YOUNG" in httpx.get(f"{url}/v1/decisions/p240").text
            for place in (here.stored, here.items, here.streamed, here.landed):
                until(
                    lambda place=place: len(place()) >= len(wanted), lambda place=place: f"{place}: {place()}"
                )
                assert place() == wanted
            until(lambda: len(slacked(slack)) >= len(declined))
            told = " ".join(one["text"] for one in slacked(slack))
            assert all(f"Payment {name} " in told for name in declined)
            assert {headers["Authorization"] for headers, _ in slack.requests} == {"Bearer xoxb-emulated"}
            seen = []
            until(lambda: seen.extend(read_all(sqs, reader)) or len(opened(seen)) >= len(declined) + 1)
            assert set(opened(seen).values()) == {"com.ringfence.alert.opened.v1"}
        assert here.restored() == wanted


PROFILES = "SELECT entity_id FROM events WHERE kind = 'profile'"


def opened(events):
    """Types of the events that a rule of the bus sent on to the topic, by their ids."""
    found = {}
    for one in events:
        assert (one["source"], one["detail-type"]) == ("ringfence", one["detail"]["type"])
        found[one["detail"]["source"], one["detail"]["id"]] = one["detail-type"]
    return {key: kind for key, kind in found.items() if kind.endswith(".opened.v1")}


def demographic():
    """A table of customers whose changes go to a stream."""
    kinesis, dynamodb = boto3.client("kinesis"), boto3.client("dynamodb")
    kinesis.create_stream(StreamName="demographic", ShardCount=1)
    arn = kinesis.describe_stream_summary(StreamName="demographic")["StreamDescriptionSummary"]["StreamARN"]
    dynamodb.create_table(
        TableName="user_demographic",
        KeySchema=[{"AttributeName": "user_id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "user_id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    dynamodb.enable_kinesis_streaming_destination(TableName="user_demographic", StreamArn=arn)


def put_user(user, age):
    item = {"user_id": {"S": user}, "age": {"N": str(age)}}
    boto3.client("dynamodb").put_item(TableName="user_demographic", Item=item)
