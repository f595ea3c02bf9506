"""Files that others write under a prefix of an S3 bucket, as a source of events."""

from ringfence.adapters.bucket.source import BucketSource

__all__ = ["BucketSource"]
