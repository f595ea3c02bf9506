package ringfence;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.apache.flink.api.common.functions.util.ListCollector;
import org.apache.flink.api.common.typeinfo.PrimitiveArrayTypeInfo;
import org.apache.flink.streaming.util.OneInputStreamOperatorTestHarness;
import org.apache.flink.types.Row;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.junit.jupiter.api.Test;

class OperatorsTest {
    private static final int TO = 1;
    private static final int MOST = 3;
    private static final long AGE = 20;
    private static final double ONE_A_DAY = 1.0 / (24 * 60 * 60);
    private static final List<String> PARTITIONS = List.of("payments/0", "payments/1", "labels/0");
    private long offset;

    @Test
    void aBatchGoesOnWhenItIsFullAndHasOnePartition() throws Exception {
        try (var harness = harness()) {
            for (String value : List.of("a", "bb", "", "d")) {
                harness.processElement(record("payments", 1, value), 0);
                harness.processElement(record("labels", 0, "l"), 0);
            }
            assertEquals(List.of("1:a@0 bb@2 @4", "2:l@1 l@3 l@5"), batches(harness));
        }
    }

    @Test
    void aBatchGoesOnWhenItsFirstRecordIsOldEnoughAndAnEmptyOneNever() throws Exception {
        try (var harness = harness()) {
            harness.setProcessingTime(100);
            harness.processElement(record("payments", 0, "a"), 0);
            harness.setProcessingTime(100 + AGE - 1);
            harness.processElement(record("payments", 0, null), 0);
            assertEquals(List.of(), batches(harness));
            harness.setProcessingTime(100 + AGE);
            assertEquals(List.of("0:a@0 null@1"), batches(harness));
            harness.setProcessingTime(1000);
            harness.processElement(record("payments", 0, "c"), 0);
            harness.setProcessingTime(1000 + AGE);
            assertEquals(List.of("0:a@0 null@1", "0:c@2"), batches(harness));
        }
    }

    @Test
    void aBatchGoesOnBeforeACheckpointAndAtTheEnd() throws Exception {
        try (var harness = harness()) {
            harness.processElement(record("payments", 0, "a"), 0);
            harness.prepareSnapshotPreBarrier(1);
            assertEquals(List.of("0:a@0"), batches(harness));
            harness.processElement(record("payments", 0, "b"), 0);
            harness.endInput();
            assertEquals(List.of("0:a@0", "0:b@1"), batches(harness));
        }
    }

    @Test
    void ticksAreNotPaced() throws Exception {
        try (var harness = harness(new Batcher(TO, MOST, AGE, ONE_A_DAY))) {
            Thread.currentThread().interrupt(); // a tick that waited would throw
            for (int tick = 0; tick < 2 * MOST; tick++) {
                harness.processElement(record("payments", 0, null), 0);
            }
            assertTrue(Thread.interrupted());
            assertEquals(List.of("0:null@0 null@1 null@2", "0:null@3 null@4 null@5"), batches(harness));
        }
    }

    @Test
    void recordsWithAValueArePaced() throws Exception {
        try (var harness = harness(new Batcher(TO, MOST, AGE, ONE_A_DAY))) {
            Thread.currentThread().interrupt(); // so that the wait ends at once
            assertThrows(InterruptedException.class, () -> harness.processElement(record("payments", 0, "a"), 0));
            assertEquals(List.of(), batches(harness));
        }
    }

    @Test
    void manyRecordsKeepTheirOffsetsAndTimes() throws Exception {
        try (var harness = new OneInputStreamOperatorTestHarness<>(new Batcher(TO, 100, AGE, 0))) {
            harness.setup(PrimitiveArrayTypeInfo.BYTE_PRIMITIVE_ARRAY_TYPE_INFO.createSerializer(null));
            harness.open();
            StringBuilder expected = new StringBuilder("0:");
            for (int row = 0; row < 100; row++) {
                harness.processElement(record("payments", 0, "v" + row), 0);
                expected.append(row == 0 ? "" : " ").append("v").append(row).append("@").append(row);
            }
            assertEquals(List.of(expected.toString()), batches(harness));
        }
    }

    @Test
    void aPartitionThatNobodyPlannedForIsAnErrorThatSaysWhatToDo() {
        var error = assertThrows(IllegalStateException.class, () -> record("payments", 2, "a"));
        assertEquals(
                "partition payments/2 is new, and a job keeps those that it began with: begin anew", error.getMessage());
    }

    @Test
    void anElementGoesToItsStageUnderItsKeyAndNowhereElse() {
        byte[] element = Element.of(2, 77, 1).put((byte) 9).array();
        List<Row> rows = new ArrayList<>();
        new Route(2).flatMap(element, new ListCollector<>(rows));
        new Route(3).flatMap(element, new ListCollector<>(rows));
        assertEquals(List.of(Row.of(77, element)), rows);
    }

    @Test
    void recordsOfAnOutputBecomeRecordsOfTheirTopics() {
        byte[] first = "\1\0\0\0\1\0\0\0kv".getBytes(StandardCharsets.ISO_8859_1);
        byte[] second = "\0\0\0\0\0\0\0\0ww".getBytes(StandardCharsets.ISO_8859_1);
        ByteBuffer element = Element.of(7, 0, 8 + first.length + second.length);
        element.putInt(first.length).put(first).putInt(second.length).put(second);
        List<byte[]> records = new ArrayList<>();
        assertEquals(true, new ForOutput(7).filter(element.array()));
        assertEquals(false, new ForOutput(8).filter(element.array()));
        new Outgoing().flatMap(element.array(), new ListCollector<>(records));
        ToKafka schema = new ToKafka(List.of("decisions", "quarantine"));
        ProducerRecord<byte[], byte[]> made = schema.serialize(records.get(0), null, null);
        assertEquals("quarantine", made.topic());
        assertArrayEquals(bytes("k"), made.key());
        assertArrayEquals(bytes("v"), made.value());
        assertEquals("decisions", schema.serialize(records.get(1), null, null).topic());
        assertEquals(2, records.size());
    }

    private byte[] record(String topic, int partition, String value) {
        byte[] bytes = value == null ? null : bytes(value);
        List<byte[]> out = new ArrayList<>();
        new FromKafka(PARTITIONS)
                .deserialize(new ConsumerRecord<>(topic, partition, offset++, null, bytes), new ListCollector<>(out));
        return out.get(0);
    }

    private static OneInputStreamOperatorTestHarness<byte[], byte[]> harness() throws Exception {
        return harness(new Batcher(TO, MOST, AGE, 0));
    }

    private static OneInputStreamOperatorTestHarness<byte[], byte[]> harness(Batcher batcher) throws Exception {
        var made = new OneInputStreamOperatorTestHarness<>(batcher);
        made.setup(PrimitiveArrayTypeInfo.BYTE_PRIMITIVE_ARRAY_TYPE_INFO.createSerializer(null));
        made.open();
        return made;
    }

    /** Each batch as PARTITION:VALUE@OFFSET...; its form is checked on the way. */
    private static List<String> batches(OneInputStreamOperatorTestHarness<byte[], byte[]> harness) {
        List<String> found = new ArrayList<>();
        for (byte[] element : harness.extractOutputValues()) {
            ByteBuffer left = Element.over(element);
            assertEquals(TO, left.get());
            int partition = left.getInt();
            byte[] magic = new byte[4];
            left.get(magic);
            assertArrayEquals(bytes("RFK1"), magic);
            assertEquals(partition, left.getInt());
            int count = left.getInt();
            long[] offsets = new long[count];
            for (int row = 0; row < count; row++) {
                offsets[row] = left.getLong();
            }
            for (int row = 0; row < count; row++) {
                assertEquals(ConsumerRecord.NO_TIMESTAMP, left.getLong());
            }
            int[] ends = new int[count + 1];
            for (int row = 0; row <= count; row++) {
                ends[row] = left.getInt();
            }
            byte[] isNull = new byte[count];
            left.get(isNull);
            int begin = left.position();
            assertEquals(ends[count], left.remaining());
            List<String> rows = new ArrayList<>();
            for (int row = 0; row < count; row++) {
                String value = isNull[row] == 1
                        ? "null"
                        : new String(element, begin + ends[row], ends[row + 1] - ends[row], StandardCharsets.US_ASCII);
                rows.add(value + "@" + offsets[row]);
            }
            found.add(partition + ":" + String.join(" ", rows));
        }
        return found;
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.US_ASCII);
    }
}
