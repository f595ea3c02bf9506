"""Apache Kafka: topics as sources of events, and topics that follow the log."""

from ringfence.adapters.kafka.address import Address, is_address
from ringfence.adapters.kafka.source import KafkaBatch, KafkaSource

__all__ = ["Address", "KafkaBatch", "KafkaSource", "is_address"]
