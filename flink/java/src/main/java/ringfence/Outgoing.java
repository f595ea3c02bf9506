package ringfence;

import java.nio.ByteBuffer;
import org.apache.flink.api.common.functions.FlatMapFunction;
import org.apache.flink.util.Collector;

/** The records for Kafka in elements for the outputs: each stands behind its length (int). */
public class Outgoing implements FlatMapFunction<byte[], byte[]> {
    private static final long serialVersionUID = 1L;
    private final int first;

    /** Outputs have the numbers from {@code first} on. */
    public Outgoing(int first) {
        this.first = first;
    }

    @Override
    public void flatMap(byte[] element, Collector<byte[]> out) {
        if (Element.to(element) < first) {
            return;
        }
        ByteBuffer left = Element.over(element);
        left.position(Element.HEAD);
        while (left.hasRemaining()) {
            byte[] record = new byte[left.getInt()];
            left.get(record);
            out.collect(record);
        }
    }
}
