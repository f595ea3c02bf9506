"""The job. Flink's client runs this script, with the file that describes the job as its argument."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from pyflink.common import Configuration, Types, WatermarkStrategy
from pyflink.datastream import DataStream, StreamExecutionEnvironment
from pyflink.datastream.connectors.base import Sink, Source
from pyflink.datastream.data_stream import KeyedStream
from pyflink.java_gateway import get_gateway

from ringfence_flink.operators import StageOperator
from ringfence_flink.topology import CODES, OUTPUTS, STAGES, WRITING

_BYTES = Types.PRIMITIVE_ARRAY(Types.BYTE())
_ROUTED = Types.ROW([Types.INT(), _BYTES])
_KEY = Types.ROW([Types.INT()])


def submit(job: dict[str, Any]) -> None:
    """Submit a job, told as `ringfence.adapters.flink.job.FlinkJob` says."""
    settings = Configuration()
    for name, value in job["settings"].items():
        settings.set_string(name, str(value))
    env = StreamExecutionEnvironment.get_execution_environment(settings)
    build(env, job)
    env.execute(job["name"])


def build(env: StreamExecutionEnvironment, job: dict[str, Any]) -> None:
    """Records of Kafka → batches → stages → records of Kafka. Every operator has an id of its own."""
    jvm = get_gateway().jvm
    batcher = jvm.ringfence.Batcher(CODES["door"], job["batch"], job["age_ms"], job["most_per_second"])
    records = env.from_source(_source(jvm, job), WatermarkStrategy.no_watermarks(), "records", _BYTES)
    batches = records.uid("records")._j_data_stream.transform("batch", _BYTES.get_java_type_info(), batcher)  # noqa: SLF001 (no other way to an operator in Java)
    given = {"": DataStream(batches).uid("batch")}
    for name, sources in STAGES.items():
        keyed = _keyed(jvm, [given[source] for source in sources or ("",)], name)
        operator = StageOperator(name, job["plan"])
        given[name] = keyed.process(operator, _BYTES).name(name).uid(name)
    picked = [_picked(given[name], jvm.ringfence.ForOutput(CODES[OUTPUTS[0]])) for name in WRITING]
    out = _flat(picked[0].union(*picked[1:]), jvm.ringfence.Outgoing(), _BYTES)
    out.sink_to(_sink(jvm, job)).name("out").uid("out")


def _keyed(jvm: Any, streams: list[DataStream], stage: str) -> KeyedStream:
    """What is for a stage in some streams, by its key."""
    parts = [_flat(stream, jvm.ringfence.Route(CODES[stage]), _ROUTED) for stream in streams]
    whole = parts[0].union(*parts[1:]) if len(parts) > 1 else parts[0]
    selector = jvm.org.apache.flink.streaming.api.functions.python.KeyByKeySelector()
    keyed = whole._j_data_stream.keyBy(selector, _KEY.get_java_type_info())  # noqa: SLF001 (likewise)
    return KeyedStream(keyed, _BYTES, whole)


def _flat(stream: DataStream, function: Any, to: Any) -> DataStream:
    return DataStream(stream._j_data_stream.flatMap(function, to.get_java_type_info()))  # noqa: SLF001 (likewise)


def _picked(stream: DataStream, function: Any) -> DataStream:
    return DataStream(stream._j_data_stream.filter(function))  # noqa: SLF001 (likewise)


def _source(jvm: Any, job: dict[str, Any]) -> Source:
    kafka = jvm.org.apache.flink.connector.kafka.source
    builder = (
        kafka.KafkaSource.builder()
        .setBootstrapServers(job["brokers"])
        .setGroupId(job["group"])
        .setTopics(_list(jvm, job["topics"]))
        .setStartingOffsets(jvm.ringfence.Beginning())
        .setDeserializer(jvm.ringfence.FromKafka(_list(jvm, job["partitions"])))
        .setProperty("isolation.level", "read_committed")
        .setProperty("partition.discovery.interval.ms", "10000")
        .setProperty("client.id.prefix", job["group"])
    )
    for name, value in job["properties"].items():
        builder = builder.setProperty(name, value)
    return Source(builder.build())


def _sink(jvm: Any, job: dict[str, Any]) -> Sink:
    kafka = jvm.org.apache.flink.connector
    topics = [job["outputs"][name] for name in OUTPUTS]
    builder = (
        kafka.kafka.sink.KafkaSink.builder()
        .setBootstrapServers(job["brokers"])
        .setRecordSerializer(jvm.ringfence.ToKafka(_list(jvm, topics)))
        .setDeliveryGuarantee(kafka.base.DeliveryGuarantee.EXACTLY_ONCE)
        .setTransactionalIdPrefix(job["group"])
        .setProperty("transaction.timeout.ms", "900000")
        .setProperty("batch.size", "524288")  # a decision has some kilobytes
        .setProperty("linger.ms", "5")
    )
    for name, value in job["properties"].items():
        builder = builder.setProperty(name, value)
    return Sink(builder.build())


def _list(jvm: Any, values: list[str]) -> Any:
    made = jvm.java.util.ArrayList()
    for value in values:
        made.add(value)
    return made


if __name__ == "__main__":
    submit(json.loads(Path(sys.argv[1]).read_text()))
