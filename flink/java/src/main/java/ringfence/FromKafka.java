package ringfence;

import java.nio.ByteBuffer;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.flink.api.common.typeinfo.PrimitiveArrayTypeInfo;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.connector.kafka.source.reader.deserializer.KafkaRecordDeserializationSchema;
import org.apache.flink.util.Collector;
import org.apache.kafka.clients.consumer.ConsumerRecord;

/** A record as the {@link Batcher} takes it: number of the partition (int), offset, time (long each), value. */
public class FromKafka implements KafkaRecordDeserializationSchema<byte[]> {
    /** Bytes before the one that says whether there is no value. */
    static final int HEAD = 4 + 8 + 8;

    private static final long serialVersionUID = 1L;
    private final Map<String, Integer> numbers = new HashMap<>();

    /** Partitions by name, such as {@code payments/0}; the place of each is its number. */
    public FromKafka(List<String> partitions) {
        for (String name : partitions) {
            numbers.put(name, numbers.size());
        }
    }

    @Override
    public void deserialize(ConsumerRecord<byte[], byte[]> record, Collector<byte[]> out) {
        String name = record.topic() + "/" + record.partition();
        Integer number = numbers.get(name);
        if (number == null) {
            throw new IllegalStateException(
                    "partition " + name + " is new, and a job keeps those that it began with: begin anew");
        }
        byte[] value = record.value();
        ByteBuffer made = Element.over(new byte[HEAD + 1 + (value == null ? 0 : value.length)]);
        made.putInt(number).putLong(record.offset()).putLong(record.timestamp());
        made.put((byte) (value == null ? 1 : 0));
        if (value != null) {
            made.put(value);
        }
        out.collect(made.array());
    }

    @Override
    public TypeInformation<byte[]> getProducedType() {
        return PrimitiveArrayTypeInfo.BYTE_PRIMITIVE_ARRAY_TYPE_INFO;
    }
}
