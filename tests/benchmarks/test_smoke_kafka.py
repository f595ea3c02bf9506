"""The benchmarks over a real Kafka run on tiny input; kills lose and double nothing."""

from __future__ import annotations

from tests.benchmarks.test_smoke import run
from tests.kafka import broker


def test_a_topic_is_timed_to_features_and_to_decisions():
    brokers = ("--brokers", broker().address)
    printed = run("kafka", "--events", "2000", "--rounds", "1", "--least", "1", *brokers)
    assert "topic to features" in printed
    assert "file to decisions" in printed
    assert "PASS" in printed


def test_killed_at_seeded_moments_each_message_of_a_topic_is_decided_once():
    printed = run("kafka_crash", "--events", "4000", "--rounds", "6", "--brokers", broker().address)
    assert "PASS: 6 kills" in printed
    assert "0 lost, 0 doubled" in printed


def test_a_reader_whose_network_is_cut_decides_each_message_once_and_as_ever():
    printed = run("kafka_partition", "--events", "2000", "--rounds", "3", "--longest", "1.5")
    assert "PASS: 3 cuts held something back" in printed
    assert "0 lost, 0 doubled, 0 decided otherwise" in printed
