package ringfence;

import org.apache.flink.api.common.functions.FlatMapFunction;
import org.apache.flink.types.Row;
import org.apache.flink.util.Collector;

/** The elements for one stage, each behind its key: the form in which Flink's Python API has keyed streams. */
public class Route implements FlatMapFunction<byte[], Row> {
    private static final long serialVersionUID = 1L;
    private final int to;

    public Route(int to) {
        this.to = to;
    }

    @Override
    public void flatMap(byte[] element, Collector<Row> out) {
        if (Element.to(element) == to) {
            out.collect(Row.of(Element.key(element), element));
        }
    }
}
