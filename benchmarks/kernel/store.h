/* What both kernels stand on: a hash table from key to cell number, circular strips in a pool, exact statistics. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef __int128 int128;

static inline uint64_t mixed(uint64_t x) {
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93ULL;
    x ^= x >> 32;
    return x;
}

/* Open addressing with linear probing; word 0 marks an empty slot (a null id hashes to 0 and is never stored). */
typedef struct { uint64_t word; uint64_t value; } Slot;
typedef struct { Slot *slots; uint64_t mask, used; } Table;

static void table_init(Table *t, uint64_t capacity) {
    t->slots = calloc(capacity, sizeof(Slot));
    t->mask = capacity - 1;
    t->used = 0;
}

static inline Slot *table_find(const Table *t, uint64_t word) {
    uint64_t at = mixed(word) & t->mask;
    while (t->slots[at].word && t->slots[at].word != word) at = (at + 1) & t->mask;
    return &t->slots[at];
}

static void table_grow(Table *t) {
    Table larger;
    table_init(&larger, 2 * (t->mask + 1));
    for (uint64_t i = 0; i <= t->mask; i++)
        if (t->slots[i].word) *table_find(&larger, t->slots[i].word) = t->slots[i];
    larger.used = t->used;
    free(t->slots);
    *t = larger;
}

/* Fill the empty slot that table_find returned. */
static inline void table_put(Table *t, Slot *slot, uint64_t word, uint64_t value) {
    slot->word = word;
    slot->value = value;
    if (2 * ++t->used > t->mask) table_grow(t);
}

/* Close the gap by moving back every later entry of the run that may stand there. */
static inline void table_remove(Table *t, Slot *slot) {
    uint64_t gap = (uint64_t)(slot - t->slots), at = gap;
    t->used--;
    for (;;) {
        at = (at + 1) & t->mask;
        if (!t->slots[at].word) break;
        uint64_t home = mixed(t->slots[at].word) & t->mask;
        if (((at - home) & t->mask) < ((at - gap) & t->mask)) continue;
        t->slots[gap] = t->slots[at];
        gap = at;
    }
    t->slots[gap].word = 0;
}

/* Blocks of 2^k elements out of one growing array; a block outgrown is kept for the next key of that size. */
typedef struct { char *bytes; uint64_t used, capacity, width, spare[32]; } Pool;

static void pool_init(Pool *p, uint64_t width) {
    memset(p, 0, sizeof *p);
    p->width = width;
    p->used = 1; /* offset 0 means none */
}

static uint64_t pool_take(Pool *p, int power) {
    uint64_t offset = p->spare[power];
    if (offset) {
        memcpy(&p->spare[power], p->bytes + offset * p->width, sizeof(uint64_t));
        return offset;
    }
    if (p->used + (1ULL << power) > p->capacity) {
        p->capacity = 2 * (p->used + (1ULL << power));
        p->bytes = realloc(p->bytes, p->capacity * p->width);
    }
    offset = p->used;
    p->used += 1ULL << power;
    return offset;
}

static void pool_give(Pool *p, uint64_t offset, int power) {
    memcpy(p->bytes + offset * p->width, &p->spare[power], sizeof(uint64_t));
    p->spare[power] = offset;
}

/* A circular strip of one key: elements head to end - 1, element i at (i mod 2^power). */
typedef struct { uint64_t offset; uint32_t head, end; int power; } Strip;

static inline uint64_t strip_at(const Strip *s, uint32_t index) {
    return s->offset + (index & ((1u << s->power) - 1));
}

static void strip_grow(Pool *p, Strip *s) {
    Strip larger = *s;
    larger.power = s->offset ? s->power + 1 : 2;
    larger.offset = pool_take(p, larger.power);
    for (uint32_t i = s->head; s->offset && i != s->end; i++)
        memcpy(p->bytes + strip_at(&larger, i) * p->width, p->bytes + strip_at(s, i) * p->width, p->width);
    if (s->offset) pool_give(p, s->offset, s->power);
    *s = larger;
}

/* Room for one more element at the end; returns its place in the pool. */
static inline uint64_t strip_push(Pool *p, Strip *s) {
    if (!s->offset || s->end - s->head == 1u << s->power) strip_grow(p, s);
    return strip_at(s, s->end++);
}

static inline double wide(int128 x) {
    return x == (int64_t)x ? (double)(int64_t)x : (double)x;
}

static inline double mean_of(int128 sum, double n, double scale) {
    return n > 0 ? wide(sum) / (n * scale) : NAN;
}

static inline double std_of(int128 sum, int128 square, uint32_t n, double scale) {
    if (n < 2) return NAN;
    return sqrt(wide(n * square - sum * sum) / ((double)n * (n - 1))) / scale;
}
