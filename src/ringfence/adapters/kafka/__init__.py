"""Apache Kafka: topics as sources of events, and topics that follow the log."""

from ringfence.adapters.kafka.address import KafkaAddress, is_address
from ringfence.adapters.kafka.source import KafkaSource

__all__ = ["KafkaAddress", "KafkaSource", "is_address"]
