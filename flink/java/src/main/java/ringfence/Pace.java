package ringfence;

/**
 * How long to wait before the next record, so that no more than so many come in a second.
 *
 * <p>What was not used up is kept for a twentieth of a second: a source that was idle begins with no more than that.
 */
final class Pace {
    private static final double SECOND = 1e9;
    private static final double KEPT_SECONDS = 0.05;
    private static final long LEAST = 5_000_000; // a thread sleeps no shorter than that, or for each record
    private final double perSecond;
    private double budget;
    private long last;

    /** {@code perSecond} records, from {@code now} on, in nanoseconds. */
    Pace(double perSecond, long now) {
        this.perSecond = perSecond;
        this.last = now;
    }

    /** A record comes: nanoseconds to wait before it goes on, 0 while there is room. */
    long taken(long now) {
        double kept = Math.max(perSecond * KEPT_SECONDS, 1);
        budget = Math.min(budget + (now - last) / SECOND * perSecond, kept) - 1;
        last = now;
        long wait = (long) (-budget / perSecond * SECOND);
        return wait < LEAST ? 0 : wait;
    }
}
