package ringfence;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import org.apache.flink.streaming.api.operators.AbstractStreamOperator;
import org.apache.flink.streaming.api.operators.BoundedOneInput;
import org.apache.flink.streaming.api.operators.OneInputStreamOperator;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;

/**
 * Records of {@link FromKafka} in; elements out, each with consecutive records of one partition.
 *
 * <p>An element costs Python some 100 µs however small it is, which is why nothing else reads single records. A
 * batch goes on when it is full, when its first record is old enough, and before every checkpoint: so there is no
 * state, and a checkpoint never waits for a batch.
 */
public class Batcher extends AbstractStreamOperator<byte[]>
        implements OneInputStreamOperator<byte[], byte[]>, BoundedOneInput {
    private static final long serialVersionUID = 1L;
    private static final int MAGIC = 'R' | 'F' << 8 | 'K' << 16 | '1' << 24;
    private static final int MOST_BYTES = 4 << 20;
    private final int to;
    private final int most;
    private final long age;
    private final double perSecond;
    private transient Pace pace;
    private transient Map<Integer, Batch> open;
    private transient boolean armed;

    /**
     * For the stage {@code to}: at most {@code most} records, none waiting longer than {@code age} ms.
     *
     * <p>All copies together take {@code perSecond} records that have a value; 0 for as many as come. The source has
     * the same thread, and reads nothing while this waits; a barrier waits no longer than one record.
     */
    public Batcher(int to, int most, long age, double perSecond) {
        this.to = to;
        this.most = most;
        this.age = age;
        this.perSecond = perSecond;
    }

    @Override
    public void open() throws Exception {
        super.open();
        open = new TreeMap<>();
        if (perSecond > 0) {
            int copies = getRuntimeContext().getTaskInfo().getNumberOfParallelSubtasks();
            pace = new Pace(perSecond / copies, System.nanoTime());
        }
    }

    @Override
    public void processElement(StreamRecord<byte[]> record) throws InterruptedException {
        if (pace != null && record.getValue()[FromKafka.HEAD] == 0) { // ticks are no work
            TimeUnit.NANOSECONDS.sleep(pace.taken(System.nanoTime()));
        }
        ByteBuffer read = Element.over(record.getValue());
        int partition = read.getInt();
        Batch batch = open.computeIfAbsent(partition, number -> new Batch(most));
        batch.add(read);
        if (batch.count >= most || batch.values.size() >= MOST_BYTES) {
            emit(partition, open.remove(partition));
        } else if (!armed) {
            armed = true;
            long due = getProcessingTimeService().getCurrentProcessingTime() + age;
            getProcessingTimeService().registerTimer(due, time -> {
                armed = false;
                flush();
            });
        }
    }

    @Override
    public void prepareSnapshotPreBarrier(long checkpointId) {
        flush();
    }

    @Override
    public void endInput() {
        flush();
    }

    private void flush() {
        open.forEach(this::emit);
        open.clear();
    }

    private void emit(int partition, Batch batch) {
        output.collect(new StreamRecord<>(batch.element(to, partition)));
    }

    /** Consecutive records of one partition. */
    private static final class Batch {
        private final ByteArrayOutputStream values = new ByteArrayOutputStream(1 << 14);
        private final byte[] isNull;
        private int count;
        private long[] offsets = new long[16];
        private long[] times = new long[16];
        private int[] ends = new int[16];

        Batch(int most) {
            isNull = new byte[most];
        }

        void add(ByteBuffer read) {
            if (count == offsets.length) {
                offsets = Arrays.copyOf(offsets, 2 * count);
                times = Arrays.copyOf(times, 2 * count);
                ends = Arrays.copyOf(ends, 2 * count);
            }
            offsets[count] = read.getLong();
            times[count] = read.getLong();
            isNull[count] = read.get();
            values.write(read.array(), read.position(), read.remaining());
            ends[count++] = values.size();
        }

        byte[] element(int to, int partition) {
            int length = 12 + count * (8 + 8 + 4 + 1) + 4 + values.size();
            ByteBuffer made = Element.of(to, partition, length);
            made.putInt(MAGIC).putInt(partition).putInt(count);
            for (int row = 0; row < count; row++) {
                made.putLong(offsets[row]);
            }
            for (int row = 0; row < count; row++) {
                made.putLong(times[row]);
            }
            made.putInt(0);
            for (int row = 0; row < count; row++) {
                made.putInt(ends[row]);
            }
            return made.put(isNull, 0, count).put(values.toByteArray()).array();
        }
    }
}
