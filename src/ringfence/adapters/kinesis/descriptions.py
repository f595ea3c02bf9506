"""What AWS tells of a stream, and what it calls its errors."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import Any, Final

from botocore.exceptions import ClientError

from ringfence.adapters.aws.clients import explained
from ringfence.adapters.kinesis.shards import Shard
from ringfence.errors import InputError

PASSING: Final = {
    "ProvisionedThroughputExceededException": "AWS throttles reading, because others read it as well",
    "LimitExceededException": "AWS throttles reading, because others read it as well",
    "ResourceInUseException": "its consumer is in use: another reader may have subscribed with its name",
    "InternalFailureException": "AWS has ended a subscription",
}
"""What ends by itself, by what AWS calls it."""


def described(client: Any, stream: str, now_ms: int) -> tuple[dict[str, Any], int]:
    """What AWS tells of a stream, and the time by its clock; `InputError` where there is none of this name.

    `now_ms` is the time by ours, for an answer without one.
    """
    with explained(f"stream {stream}"):
        try:
            found: dict[str, Any] = client.describe_stream_summary(StreamName=stream)
        except ClientError as error:
            if code_of(error) != "ResourceNotFoundException":
                raise
            region = client.meta.region_name
            raise InputError(
                f"there is no stream {stream!r} in {region}: look at its name and region"
            ) from None
    date = found["ResponseMetadata"]["HTTPHeaders"].get("date")
    at_ms = int(parsedate_to_datetime(date).timestamp() * 1000) if date else now_ms
    return dict(found["StreamDescriptionSummary"]), at_ms


def shards_of(client: Any, stream: str) -> list[Shard]:
    """All shards of a stream that AWS lists."""
    found: list[Shard] = []
    asked: dict[str, Any] = {"StreamName": stream}
    while asked:
        with explained(f"stream {stream}"):
            answer = client.list_shards(**asked)
        for told in answer["Shards"]:
            parents = (told.get("ParentShardId"), told.get("AdjacentParentShardId"))
            is_closed = "EndingSequenceNumber" in told["SequenceNumberRange"]
            span = told["HashKeyRange"]
            keys = int(span["StartingHashKey"]), int(span["EndingHashKey"])
            found.append(Shard(told["ShardId"], tuple(filter(None, parents)), is_closed, keys))
        asked = {"NextToken": answer["NextToken"]} if answer.get("NextToken") else {}
    return found


def code_of(error: ClientError) -> str:
    """What AWS calls an error, empty where it does not say."""
    return str(error.response.get("Error", {}).get("Code", ""))
