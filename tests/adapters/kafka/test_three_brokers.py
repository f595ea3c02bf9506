"""Of three brokers one is killed: payments come in and decisions go out all the same, each once."""

import json

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import NewTopic
from tests.adapters.kafka.test_kafka_source import ids, lines, opened
from tests.kafka import QUIET, three_brokers
from tests.spine import open_store, runner
from tests.waiting import until

from ringfence.adapters.kafka.address import KafkaAddress
from ringfence.adapters.kafka.client import KafkaClient
from ringfence.adapters.kafka.sink import OPTIONS, KafkaSink
from ringfence.ports import DECISIONS

pytestmark = pytest.mark.slow
HALF = 200


@pytest.fixture
def cluster():
    made = three_brokers()
    yield made
    for one in made:
        one.kill()


def test_a_killed_broker_takes_and_doubles_nothing(cluster, tmp_path):
    brokers = ",".join(one.address for one in cluster)
    admin = cluster[0].admin
    names = ["payments", "decisions", "bad"]
    asked = [NewTopic(name, 3, 3, config={"min.insync.replicas": "2"}) for name in names]
    for done in admin.create_topics(asked).values():
        done.result(60)
    send(brokers, lines(HALF))
    killed = []

    def is_over():
        if source.state.records >= HALF and not killed:
            killed.append(leader_of(cluster, "payments", 0))
            killed[0].kill()
            send(brokers, lines(HALF, HALF))
        return source.state.records >= 2 * HALF

    with open_store(tmp_path / "data") as store:
        with opened(store, f"kafka://{brokers}/payments") as source:
            at_work = runner(store)
            at_work.run(source.batches(50, is_over=is_over))
            at_work.close()
        assert sorted(ids(store)) == sorted(f"t{number}" for number in range(2 * HALF))
        client = KafkaClient(
            KafkaAddress.of(f"kafka://{brokers}/decisions?quarantine=bad&mode=transactional", OPTIONS), {}
        )
        sink = KafkaSink(store.log, client, store.folder, store.quarantine)
        sink.take(DECISIONS, store.log.read(DECISIONS))
        sink.close()
    left = next(one for one in cluster if one is not killed[0])
    # A commit is answered before its markers are everywhere: until then nobody sees the last decisions.
    until(lambda: len(left.content("decisions")) >= 2 * HALF)
    found = [json.loads(one.value())["transaction_id"] for one in left.content("decisions")]
    assert sorted(found) == sorted(f"t{number}" for number in range(2 * HALF))


def send(brokers, values):
    """Each to all replicas in sync, whoever leads by then."""
    settings = {"bootstrap.servers": brokers, "acks": "all", "enable.idempotence": True, "logger": QUIET}
    producer = Producer(settings)
    for value in values:
        producer.produce("payments", value)
    assert producer.flush(120) == 0


def leader_of(cluster, topic, partition):
    """The broker that leads a partition."""
    found = cluster[0].admin.list_topics(topic, timeout=30)
    port = found.brokers[found.topics[topic].partitions[partition].leader].port
    return next(one for one in cluster if one.port == port)
