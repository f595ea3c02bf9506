package ringfence;

import java.nio.ByteBuffer;
import java.util.List;
import org.apache.flink.connector.kafka.sink.KafkaRecordSerializationSchema;
import org.apache.kafka.clients.producer.ProducerRecord;

/** A record of {@link Outgoing}: which topic (int), length of the key (int), key, value. */
public class ToKafka implements KafkaRecordSerializationSchema<byte[]> {
    private static final long serialVersionUID = 1L;
    private final String[] topics;

    /** The topics by number. */
    public ToKafka(List<String> topics) {
        this.topics = topics.toArray(new String[0]);
    }

    @Override
    public ProducerRecord<byte[], byte[]> serialize(byte[] record, KafkaSinkContext context, Long timestamp) {
        ByteBuffer left = Element.over(record);
        String topic = topics[left.getInt()];
        byte[] key = bytes(left, left.getInt());
        return new ProducerRecord<>(topic, key, bytes(left, left.remaining()));
    }

    private static byte[] bytes(ByteBuffer left, int length) {
        byte[] taken = new byte[length];
        left.get(taken);
        return taken;
    }
}
