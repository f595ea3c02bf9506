package ringfence;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class PaceTest {
    private static final long SECOND = 1_000_000_000L;

    /** Records that go on up to a time, each as soon as it may. */
    private static int until(Pace pace, long now, long end) {
        int records = 0;
        while (now < end) {
            now += pace.taken(now);
            records++;
        }
        return records;
    }

    @Test
    void noMoreThanSoManyComeInASecond() {
        int records = until(new Pace(1000, 0), 0, 3 * SECOND);
        assertTrue(records > 2990 && records <= 3051, records + " records in 3 s");
    }

    @Test
    void aSourceThatWasIdleDoesNotMakeUpForIt() {
        int records = until(new Pace(1000, 0), 60 * SECOND, 61 * SECOND);
        assertTrue(records > 1000 && records <= 1052, records + " records after a minute without any");
    }

    @Test
    void fewerThanOneASecondIsAPaceToo() {
        Pace pace = new Pace(0.5, 0);
        assertEquals(2 * SECOND, pace.taken(0));
        assertEquals(2 * SECOND, pace.taken(2 * SECOND));
    }
}
