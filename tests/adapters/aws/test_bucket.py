"""Files that AWS Glue writes into a bucket as a source: each version of each file once, in order."""

import gzip
import io
import json
import time
import uuid
from contextlib import closing
from itertools import islice

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.adapters.aws import emulator
from tests.adapters.kafka.test_kafka_source import take
from tests.adapters.kinesis.test_tables import ages
from tests.spine import open_store, runner

from ringfence.adapters.aws import aws_client
from ringfence.adapters.bucket import BucketSource
from ringfence.adapters.bucket.address import BucketAddress
from ringfence.adapters.bucket.source import NAMES
from ringfence.adapters.stream_records import StreamDecoding
from ringfence.errors import InputError, StoreError
from ringfence.events.mapping import parse_mapping
from ringfence.events.privacy.tokens import Tokenizer

MAPPING = """
[[records]]
kind = "profile"

[records.fields]
event_time = "s3_time"
customer_id = "user_id"
entity_type = { constant = "customer" }
entity_id = { field = "customer_id" }

[records.attributes]
age = { column = "age", type = "number" }
"""


@pytest.fixture
def bucket(monkeypatch):
    """A bucket of its own: its name, and boto3's client."""
    emulator.environment(monkeypatch)
    client, name = boto3.client("s3"), f"lake-{uuid.uuid4().hex}"
    client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": emulator.REGION})
    return name, client


@pytest.fixture
def store(tmp_path):
    with open_store(tmp_path / "data") as made:
        yield made


def put(bucket, key, content):
    name, client = bucket
    client.put_object(Bucket=name, Key=f"demographic/{key}", Body=content)


def json_lines(*rows):
    return "".join(json.dumps({"user_id": user, "age": age}) + "\n" for user, age in rows).encode()


def parquet(*rows):
    out = io.BytesIO()
    pq.write_table(pa.table({"user_id": [u for u, _ in rows], "age": [a for _, a in rows]}), out)
    return out.getvalue()


def source_of(store, bucket, options=""):
    decoding = StreamDecoding(
        parse_mapping(MAPPING, "demographic.toml"), Tokenizer(store.meta.token_key), NAMES
    )
    address = BucketAddress.of(f"s3://{bucket[0]}/demographic/{options}")
    return BucketSource(address, aws_client("s3"), decoding, store.positions, now_ms)


def now_ms():
    """After the emulator's own clock, which says when a file was written."""
    return time.time_ns() // 1_000_000 + 2_000


def read(store, bucket, rows=1000):
    """One run to the end of the files that are there."""
    with closing(source_of(store, bucket)) as source:
        source.open()
        return take(store, source, rows)


def test_files_of_every_form_become_profiles_and_the_next_run_reads_what_is_new(bucket, store):
    put(bucket, "run-1-part-r-00000", json_lines(("u1", 41), ("u2", 17)))
    put(bucket, "part-00000-c000.snappy.parquet", parquet(("u3", 30)))
    put(bucket, "table.csv", b"user_id,age\nu4,50\n")
    put(bucket, "run-1-part-r-00001", gzip.compress(json_lines(("u5", 60))))
    assert read(store, bucket).events == 5
    assert sorted(ages(store)) == [("u1", 41), ("u2", 17), ("u3", 30), ("u4", 50), ("u5", 60)]
    assert read(store, bucket).events == 0
    put(bucket, "run-2-part-r-00000", json_lines(("u1", 42)))
    assert read(store, bucket).events == 1
    assert ages(store)[-1] == ("u1", 42)


def test_a_file_that_is_written_again_is_read_again(bucket, store):
    put(bucket, "all.csv", b"user_id,age\nu1,41\n")
    read(store, bucket)
    put(bucket, "all.csv", b"user_id,age\nu1,42\nu2,17\n")
    assert read(store, bucket).events == 2
    assert read(store, bucket).events == 0


def test_a_file_goes_on_behind_the_rows_that_were_committed(bucket, store):
    put(bucket, "all", json_lines(*((f"u{n}", n) for n in range(10))))
    with closing(source_of(store, bucket)) as source:
        source.open()
        batches = islice(source.batches(4, is_over=lambda: False), 2)
        at_work = runner(store)
        at_work.run(batches)
        at_work.close()
    assert len(ages(store)) == 8
    assert read(store, bucket).events == 2
    assert ages(store) == [(f"u{n}", n) for n in range(10)]


def test_what_writers_leave_beside_their_files_is_no_file(bucket, store):
    for name in ("_SUCCESS", "_temporary/0/part-0", ".crc", "run_$folder$"):
        put(bucket, name, b"{}")
    put(bucket, "empty", b"")
    assert read(store, bucket).events == 0


def test_a_file_that_is_none_is_in_quarantine_and_its_neighbours_are_read(bucket, store):
    put(bucket, "a.parquet", parquet(("u1", 41))[:-30])
    put(bucket, "b.csv", b"user_id,age\nu2,17,9\nu3,30\n")
    put(bucket, "c.gz", gzip.compress(json_lines(("u4", 50)))[:-12])
    totals = read(store, bucket)
    assert totals.bad >= 3
    assert ("u3", 30) in ages(store)
    kept = list(store.quarantine.records())
    assert any(one.source.endswith("demographic/b.csv") and one.position == 1 for one in kept)
    assert read(store, bucket).events == 0


def test_a_file_that_changes_between_list_and_download_is_read_as_it_is_now(bucket, store):
    put(bucket, "all", json_lines(("u1", 41)))
    with closing(source_of(store, bucket)) as source:
        source.open()
        put(bucket, "all", json_lines(("u1", 42)))
        take(store, source)
    assert ages(store) == [("u1", 42)]
    assert read(store, bucket).events == 0


def test_a_file_that_comes_while_it_is_read_is_joined(bucket, store):
    with closing(source_of(store, bucket, "?every=1")) as source:
        source.open()
        put(bucket, "late", json_lines(("u1", 41)))
        batches = source.batches(100, is_over=lambda: False)
        assert next(len(batch.events) for batch in batches if len(batch.events)) == 1
        assert source.parts == 1


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("s3://lake/x?maping=a", "is no option.*mapping"),
        ("s3://", "names no bucket"),
        ("s3://AKIA:hunter2@lake/x", "holds no credentials"),
        ("s3://lake/x?every=0", "1 to 3600"),
    ],
)
def test_an_address_that_cannot_be_used_is_one_message_without_secrets(address, told):
    with pytest.raises(InputError, match=told) as raised:
        BucketAddress.of(address)
    assert "hunter2" not in str(raised.value)


def test_a_bucket_that_is_not_there_is_named(bucket, store):
    with pytest.raises(InputError, match="no bucket 'nobodys-lake'"):
        read(store, ("nobodys-lake", None))


def test_nobody_signed_in_is_said(bucket, store, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    with pytest.raises(StoreError, match="no credentials"):
        read(store, bucket)
