"""Amazon Kinesis Data Streams: shards as sources of events."""

from ringfence.adapters.kinesis.source import KinesisSource

__all__ = ["KinesisSource"]
