package ringfence;

import java.nio.ByteBuffer;
import org.apache.flink.api.common.functions.FlatMapFunction;
import org.apache.flink.util.Collector;

/** The records for Kafka in an element for an output: each stands behind its length (int). */
public class Outgoing implements FlatMapFunction<byte[], byte[]> {
    private static final long serialVersionUID = 1L;

    @Override
    public void flatMap(byte[] element, Collector<byte[]> out) {
        ByteBuffer left = Element.over(element);
        left.position(Element.HEAD);
        while (left.hasRemaining()) {
            byte[] record = new byte[left.getInt()];
            left.get(record);
            out.collect(record);
        }
    }
}
