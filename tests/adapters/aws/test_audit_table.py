"""The audit table sits the follower's exam against an emulator of DynamoDB, and survives what AWS does."""

import itertools
from contextlib import closing

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError
from tests.follow.test_members import StorePlace

from ringfence.adapters.aws import AuditTable, aws_client, create_table
from ringfence.adapters.aws.audit_table import key_of
from ringfence.adapters.landing import open_place
from ringfence.adapters.remote.signing import SageMakerSigner
from ringfence.adapters.sqlite import Store
from ringfence.errors import InputError, StoreError
from ringfence.follow import catch_up
from ringfence.testing.exams.follower import FollowerExam

from .emulator import address, environment

NAMES = (f"audit-{number}" for number in itertools.count())


@pytest.fixture
def store(tmp_path):
    with Store.open(tmp_path / "data") as opened:
        yield opened


@pytest.fixture
def client(monkeypatch):
    environment(monkeypatch)
    return aws_client("dynamodb")


class AuditPlace(StorePlace):
    def __init__(self, store, client):
        super().__init__(store, None)
        self.client, self.table = client, next(NAMES)
        create_table(client, self.table)

    def follower(self):
        return AuditTable(self.log, self.client, self.table, "log-1", days=30, sleep=lambda _: None)

    def content(self):
        items = self.client.scan(TableName=self.table)["Items"]
        return sorted((one for one in items if one["account_id"]["S"] != "#position"), key=repr)

    def damage(self):
        self.client.delete_table(TableName=self.table)
        return lambda: create_table(self.client, self.table)


class TestAuditTable(FollowerExam):
    @pytest.fixture
    def place(self, store, client):
        return AuditPlace(store, client)


@pytest.fixture
def place(store, client):
    place = AuditPlace(store, client)
    place.fill(3)
    return place


class Stubborn:
    """DynamoDB that leaves some items unprocessed, so often."""

    def __init__(self, client, times):
        self._client, self.times, self.waited = client, times, []

    def __getattr__(self, name):
        return getattr(self._client, name)

    def batch_write_item(self, RequestItems):  # noqa: N803 (as boto3 calls it)
        ((table, requests),) = RequestItems.items()
        if not self.times:
            return self._client.batch_write_item(RequestItems=RequestItems)
        self.times -= 1
        done, left = requests[:1], requests[1:]
        self._client.batch_write_item(RequestItems={table: done})
        return {"UnprocessedItems": {table: left} if left else {}}


def test_items_are_found_by_account_and_by_transaction(place):
    follower = place.follower()
    catch_up(place.log, follower, all_of_it=True)
    stored = place.content()
    assert len(stored) == 27
    account, transaction = stored[0]["account_id"]["S"], stored[0]["transaction_id"]["S"]
    (one,) = follower.find(account, transaction)
    assert (one["transaction_id"], one["owner"]) == (transaction, "card")
    assert one["expires_at"] == one["event_time_ms"] // 1000 + 30 * 86_400
    assert len(follower.find(account)) == sum(item["account_id"]["S"] == account for item in stored)
    assert follower.find("nobody") == []


def test_a_reset_leaves_the_items_of_other_logs(place, client, tmp_path):
    with Store.open(tmp_path / "other") as store:
        other = StorePlace(store, None)
        other.fill(3)
        follower = AuditTable(store.log, client, place.table, "log-2", sleep=lambda _: None)
        catch_up(store.log, follower, all_of_it=True)
        before = place.content()
        place.follower().reset()
        assert place.content() == before
        assert follower.positions()["decisions"] == 27
        follower.reset()
        assert place.content() == []


def test_what_dynamodb_leaves_unprocessed_is_sent_again_after_a_while(place):
    stubborn, waits = Stubborn(place.client, 5), []
    follower = AuditTable(place.log, stubborn, place.table, "log-1", days=30, sleep=waits.append)
    catch_up(place.log, follower, all_of_it=True)
    assert len(place.content()) == 27
    assert waits == sorted(waits)
    assert len(waits) == 5


def test_a_table_that_never_takes_them_is_an_error_and_the_position_stays(place):
    follower = AuditTable(place.log, Stubborn(place.client, 10**6), place.table, "x", sleep=lambda _: None)
    with pytest.raises(StoreError, match="unprocessed"):
        catch_up(place.log, follower, all_of_it=True)
    assert follower.positions() == {"decisions": 0, "events": 0}


def test_of_two_processes_one_stops(place):
    one, other = place.follower(), place.follower()
    batches = list(place.log.read("decisions"))

    def overtaken():
        yield batches[0]
        other.take("decisions", batches[:2])

    with pytest.raises(StoreError, match="another process"):
        one.take("decisions", overtaken())
    assert one.positions()["decisions"] == batches[1].next_offset


def test_of_two_processes_that_both_go_on_one_stops(place):
    """Both know the position as the first batch left it; the one that moves it second must not."""
    batches = list(place.log.read("decisions"))
    place.follower().take("decisions", batches[:1])
    one, other = place.follower(), place.follower()

    def overtaken():
        yield batches[1]
        other.take("decisions", batches[1:3])

    with pytest.raises(StoreError, match=f"moved the position from {batches[0].next_offset}"):
        one.take("decisions", overtaken())
    assert one.positions()["decisions"] == batches[2].next_offset


def test_no_account_takes_the_place_of_the_position():
    assert key_of("#position") == "##position"
    assert key_of("a" * 2000).startswith("sha256:")


def test_a_table_that_is_not_there_is_named_with_what_to_do(store, client):
    follower = AuditTable(store.log, client, "nowhere", "x", sleep=lambda _: None)
    with pytest.raises(StoreError, match=r"nowhere.*GetItem.*ResourceNotFoundException.*name and region"):
        follower.positions()


def test_a_missing_permission_is_named_with_action_and_resource(store, client, monkeypatch):
    told = {"Error": {"Code": "AccessDeniedException", "Message": "on arn:aws:dynamodb:::table/a"}}

    def denied(**_):
        raise ClientError(told, "GetItem")

    monkeypatch.setattr(client, "get_item", denied)
    with pytest.raises(
        StoreError, match=r"GetItem fails with AccessDeniedException .*table/a.*allow the action"
    ):
        AuditTable(store.log, client, "a", "x", sleep=lambda _: None).positions()


def test_nobody_signed_in_and_no_region_are_said(store, monkeypatch, tmp_path):
    for name in (
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "AWS_PROFILE",
    ):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(InputError, match="AWS_REGION"):
        aws_client("dynamodb")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", address())
    with pytest.raises(StoreError, match="no credentials"):
        AuditTable(store.log, aws_client("dynamodb"), "a", "x", sleep=lambda _: None).positions()


def test_an_emulators_endpoint_in_a_task_on_aws_is_refused(client, monkeypatch):
    monkeypatch.setenv("ECS_CONTAINER_METADATA_URI_V4", "http://169.254.170.2/v4/x")
    for begin in (
        lambda: aws_client("dynamodb"),
        lambda: open_place("s3://bucket/lake"),
        lambda: SageMakerSigner("eu-central-1", "https://runtime.sagemaker.eu-central-1.amazonaws.com"),
    ):
        with pytest.raises(InputError, match="AWS_ENDPOINT_URL"):
            begin()


@pytest.mark.parametrize(
    ("url", "is_aws"),
    [
        ("https://vpce-0a1b-2c3d.streams.dynamodb.eu-central-1.vpce.amazonaws.com", True),
        ("", True),
        ("http://vpce-0a1b-2c3d.streams.dynamodb.eu-central-1.vpce.amazonaws.com", False),
        ("https://sts-fips.us-east-1.amazonaws.com", True),
        ("https://s3.dualstack.eu-central-1.amazonaws.com", True),
        ("https://lambda.eu-central-1.api.aws", True),
        ("https://amazonaws.com.attacker.example", False),
        ("https://attacker.example/.vpce.amazonaws.com", False),
        ("https://x.vpce.amazonaws.com.attacker.example", False),
    ],
)
def test_aws_own_endpoint_in_a_private_network_is_no_emulators(monkeypatch, url, is_aws):
    monkeypatch.setenv("ECS_CONTAINER_METADATA_URI_V4", "http://169.254.170.2/v4/x")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB_STREAMS", url)
    if not is_aws:
        with pytest.raises(InputError, match="AWS_ENDPOINT_URL_DYNAMODB_STREAMS"):
            aws_client("dynamodbstreams")
        return
    asked = aws_client("dynamodbstreams").meta.endpoint_url
    assert asked == (url or "https://streams.dynamodb.eu-central-1.amazonaws.com")


def test_closing_twice_is_allowed(store, client):
    with closing(AuditTable(store.log, client, "a", "x", sleep=lambda _: None)) as follower:
        follower.close()


def test_a_call_is_made_as_often_as_it_is_told_and_no_more(client, monkeypatch):
    calls = []

    def refused(request, **_):
        calls.append(request)
        raise ConnectionClosedError(endpoint_url="x")

    for tries in (1, 2):
        calls.clear()
        asking = aws_client("dynamodb", tries=tries)
        asking.meta.events.register("before-send.dynamodb.ListTables", refused)
        with pytest.raises(ConnectionClosedError):
            asking.list_tables()
        assert len(calls) == tries
