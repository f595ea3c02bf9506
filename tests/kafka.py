"""A real Apache Kafka for tests: fetched from Maven Central, one broker in KRaft mode for each test process.

Where Java or Maven is missing, or Maven Central cannot be reached, the tests that need it are skipped and say
so; with RINGFENCE_ALL_PARTS=1 in the environment, as in CI, that is a failure.
"""

from __future__ import annotations

import fcntl
import itertools
import logging
import os
import shutil
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from tests.ending import at_end

VERSION = "4.1.0"
POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
<modelVersion>4.0.0</modelVersion><groupId>tests</groupId><artifactId>kafka</artifactId><version>1</version>
<dependencies><dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId>
<version>{VERSION}</version></dependency></dependencies></project>
"""
SETTINGS = """process.roles=broker,controller
node.id={node}
controller.quorum.voters={voters}
listeners=PLAINTEXT://127.0.0.1:{port},SASL_PLAINTEXT://127.0.0.1:{sasl},FAR://127.0.0.1:{far},\
CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},SASL_PLAINTEXT://127.0.0.1:{sasl},FAR://127.0.0.1:{through}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,FAR:PLAINTEXT,\
SASL_PLAINTEXT:SASL_PLAINTEXT
inter.broker.listener.name=PLAINTEXT
sasl.enabled.mechanisms=PLAIN
listener.name.sasl_plaintext.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule \
required username="admin" password="hunter2" user_bank="hunter2";
log.dirs={data}
offsets.topic.replication.factor={copies}
offsets.topic.num.partitions=1
transaction.state.log.replication.factor={copies}
transaction.state.log.min.isr={in_sync}
transaction.state.log.num.partitions=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
message.max.bytes=67108864
"""
JAVA = ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx384m"]
PATIENCE_SECONDS = 240.0
ATTEMPTS = 3  # with ports of their own
QUIET = logging.getLogger("tests.kafka")  # of a broker that ends before its clients do
QUIET.addHandler(logging.NullHandler())
QUIET.propagate = False
_NUMBERS = itertools.count()


class EndedError(Exception):
    """A broker ended before it was up; it does not say why where somebody else got one of its ports."""


def _missing(what: str) -> None:
    if os.environ.get("RINGFENCE_ALL_PARTS"):
        pytest.fail(f"no Kafka: {what}")
    pytest.skip(f"no Kafka: {what}")


@cache
def _problem_or_jars() -> tuple[str, Path]:
    for program in ("java", "mvn"):
        if shutil.which(program) is None:
            return f"{program} is not installed", Path()
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ringfence-tests"
    folder = base / f"kafka-{VERSION}"
    folder.mkdir(parents=True, exist_ok=True)
    with (base / "kafka.lock").open("w") as lock:  # of test processes one fetches
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "whole").exists():
            (folder / "pom.xml").write_text(POM)
            command = ["mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=libs"]
            done = subprocess.run(
                command, check=False, cwd=folder, capture_output=True, text=True, timeout=900
            )
            if done.returncode:
                return f"Maven Central did not give it: {(done.stdout + done.stderr)[-300:]}", Path()
            (folder / "whole").touch()
    return "", folder / "libs"


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@dataclass
class Broker:
    """One running broker. `sasl` is the port where user `bank` has the password `hunter2`.

    Who comes in by `far` is sent to another port for everything else: that of a link in between.
    """

    folder: Path
    jars: Path
    port: int
    sasl: int
    far: int
    process: subprocess.Popen | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        self.launch()
        self.wait()

    def launch(self) -> None:
        command = [*JAVA, "-cp", f"{self.jars}/*", "kafka.Kafka", str(self.folder / "server.properties")]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)

    def wait(self) -> None:
        assert self.process is not None
        end = time.monotonic() + PATIENCE_SECONDS
        while True:
            with socket.socket() as tried:
                if tried.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            if self.process.poll() is not None:
                raise EndedError((self.folder / "log").read_text()[-2000:])
            assert time.monotonic() < end, "Kafka does not come up"
            time.sleep(0.2)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def topic(self, partitions: int = 1, **config: str) -> str:
        """Name of a new, empty topic."""
        name = f"topic-{next(_NUMBERS)}"
        made = self.admin.create_topics([NewTopic(name, partitions, 1, config=config)])
        made[name].result(30)
        end = time.monotonic() + 30
        while name not in self.admin.list_topics(timeout=10).topics:
            assert time.monotonic() < end
            time.sleep(0.05)
        return name

    @cached_property
    def admin(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self.address, "logger": QUIET})

    def send(self, topic: str, values, key=None, partition: int = -1, headers=None) -> None:
        """Put records into a topic, one after the other."""
        settings = {"bootstrap.servers": self.address, "message.max.bytes": 64 << 20, "logger": QUIET}
        producer = Producer(settings)
        for value in values:
            producer.produce(topic, value, key=key, partition=partition, headers=headers)
            producer.poll(0)
        assert producer.flush(60) == 0

    def content(self, topic: str, *, committed: bool = True) -> list:
        """All messages of a topic, partition after partition."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.address,
                "group.id": "look",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "fetch.wait.max.ms": 10,  # the end of a partition is told by an empty answer
                "isolation.level": "read_committed" if committed else "read_uncommitted",
            }
        )
        partitions = sorted(consumer.list_topics(topic, timeout=30).topics[topic].partitions)
        found = []
        for number in partitions:
            consumer.assign([TopicPartition(topic, number, 0)])
            while True:
                message = consumer.poll(30)
                assert message is not None
                if message.error():
                    break
                found.append(message)
        consumer.close()
        return found


def _brokers(count: int, attempts: int = ATTEMPTS, through: int = 0) -> list[Broker]:
    """Brokers of one cluster that know of each other, running; others where one ended at its start."""
    problem, jars = _problem_or_jars()
    if problem:
        _missing(problem)
    made = _launched(count, jars, through)
    try:
        for one in made:
            one.wait()
    except EndedError:
        for one in made:
            one.kill()
        if attempts == 1:
            raise
        return _brokers(count, attempts - 1, through)
    return made


def _launched(count: int, jars: Path, through: int) -> list[Broker]:
    ports = [[_free_port() for _ in range(4)] for _ in range(count)]
    voters = ",".join(f"{node}@127.0.0.1:{own[2]}" for node, own in enumerate(ports, 1))
    made = []
    for node, (port, sasl, controller, far) in enumerate(ports, 1):
        folder = Path(tempfile.mkdtemp(prefix="ringfence-kafka-", dir="/tmp"))
        settings = SETTINGS.format(
            node=node,
            voters=voters,
            port=port,
            sasl=sasl,
            far=far,
            through=through or far,
            controller=controller,
            data=folder / "data",
            copies=count,
            in_sync=count // 2 + 1,
        )
        (folder / "server.properties").write_text(settings)
        tool = [*JAVA, "-cp", f"{jars}/*", "kafka.tools.StorageTool", "format"]
        told = ["-t", "MkU3OEVBNTcwNTJENDM2Qk", "-c", str(folder / "server.properties")]
        subprocess.run([*tool, *told], check=True, capture_output=True)
        made.append(Broker(folder, jars, port, sasl, far))
        at_end(shutil.rmtree, folder, ignore_errors=True)
        at_end(made[-1].kill)
    for one in made:
        one.launch()
    return made


@cache
def broker() -> Broker:
    """The broker of this test process, started when it is asked for first."""
    return _brokers(1)[0]


def three_brokers() -> list[Broker]:
    """Three brokers of one cluster; whoever asks for them ends them."""
    return _brokers(3)


def own_broker(through: int = 0) -> Broker:
    """One that may be killed; whoever asks for it ends it.

    Who comes in by its port `far` goes on by the port `through`, which is a link's.
    """
    return _brokers(1, through=through)[0]
