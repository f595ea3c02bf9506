package ringfence;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * What travels between operators: where to (a byte), the key there (int), and data that only Python reads.
 *
 * <p>All numbers are little-endian.
 */
final class Element {
    static final int HEAD = 5;

    private Element() {}

    static ByteBuffer of(int to, int key, int length) {
        return over(new byte[HEAD + length]).put((byte) to).putInt(key);
    }

    static int to(byte[] element) {
        return element[0];
    }

    static int key(byte[] element) {
        return over(element).getInt(1);
    }

    static ByteBuffer over(byte[] bytes) {
        return ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }
}
