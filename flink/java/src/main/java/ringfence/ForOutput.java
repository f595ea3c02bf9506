package ringfence;

import org.apache.flink.api.common.functions.FilterFunction;

/** The elements for outputs, which have the numbers from {@code first} on. */
public class ForOutput implements FilterFunction<byte[]> {
    private static final long serialVersionUID = 1L;
    private final int first;

    public ForOutput(int first) {
        this.first = first;
    }

    @Override
    public boolean filter(byte[] element) {
        return Element.to(element) >= first;
    }
}
