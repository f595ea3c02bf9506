/* First reference: count, sum, mean, std over four windows for two entities, exact, in event-time order.
   Rows of out: entity, window, statistic; each row has n columns. */
#include "store.h"

enum { ENTITIES = 2, WINDOWS = 4, STATISTICS = 4 };
static const double SCALE = 1000.0;
static const int64_t HOUR = 3600000LL, DAY = 86400000LL;
static const int64_t WIDTH_MS[WINDOWS] = {HOUR, DAY, 7 * DAY, 30 * DAY};

typedef struct { int64_t time, value; } Event;
typedef struct { int128 sum, square; int64_t tail_time; uint32_t tail; } Window;
typedef struct { Window window[WINDOWS]; Strip strip; } Cell;
typedef struct { Table table; Cell *cells; uint64_t count, capacity; Pool pool; } Entity;
typedef struct { Event *events; uint64_t count, capacity; Entity entity[ENTITIES]; } State;

State *r1_new(void) {
    State *s = calloc(1, sizeof(State));
    for (int e = 0; e < ENTITIES; e++) {
        table_init(&s->entity[e].table, 1024);
        pool_init(&s->entity[e].pool, sizeof(uint32_t));
    }
    return s;
}

void r1_free(State *s) {
    for (int e = 0; e < ENTITIES; e++) {
        free(s->entity[e].table.slots);
        free(s->entity[e].cells);
        free(s->entity[e].pool.bytes);
    }
    free(s->events);
    free(s);
}

static inline Cell *cell_of(Entity *e, int64_t key) {
    Slot *slot = table_find(&e->table, (uint64_t)key);
    if (slot->word) return &e->cells[slot->value];
    if (e->count == e->capacity) {
        e->capacity = e->capacity ? 2 * e->capacity : 1024;
        e->cells = realloc(e->cells, e->capacity * sizeof(Cell));
    }
    memset(&e->cells[e->count], 0, sizeof(Cell));
    table_put(&e->table, slot, (uint64_t)key, e->count);
    return &e->cells[e->count++];
}

static inline void expire(const State *s, const uint32_t *refs, const Strip *strip, Window *w, int64_t cutoff) {
    while (w->tail != strip->end && w->tail_time <= cutoff) {
        int128 value = s->events[refs[strip_at(strip, w->tail)]].value;
        w->sum -= value;
        w->square -= value * value;
        if (++w->tail != strip->end) w->tail_time = s->events[refs[strip_at(strip, w->tail)]].time;
    }
}

static inline void measure(State *s, Entity *entity, int64_t key, uint32_t ref, double *out, int64_t n) {
    Event now = s->events[ref];
    Cell *cell = cell_of(entity, key);
    for (int w = 0; w < WINDOWS; w++)
        expire(s, (uint32_t *)entity->pool.bytes, &cell->strip, &cell->window[w], now.time - WIDTH_MS[w]);
    cell->strip.head = cell->window[WINDOWS - 1].tail;
    uint64_t place = strip_push(&entity->pool, &cell->strip);
    ((uint32_t *)entity->pool.bytes)[place] = ref;
    for (int w = 0; w < WINDOWS; w++, out += STATISTICS * n) {
        Window *window = &cell->window[w];
        uint32_t count = cell->strip.end - window->tail;
        if (count == 1) window->tail_time = now.time;
        window->sum += now.value;
        window->square += (int128)now.value * now.value;
        out[0] = count;
        out[n] = wide(window->sum) / SCALE;
        out[2 * n] = mean_of(window->sum, count, SCALE);
        out[3 * n] = std_of(window->sum, window->square, count, SCALE);
    }
}

/* Ask for what event i will touch, in the order of its dependent loads: slot, cell, event numbers, events. */
static inline void prefetch(const State *s, const Entity *entity, const int64_t *keys, int64_t i, int64_t n) {
    const uint32_t *refs = (uint32_t *)entity->pool.bytes;
    if (i + 12 < n) __builtin_prefetch(&entity->table.slots[mixed((uint64_t)keys[i + 12]) & entity->table.mask]);
    for (int step = 2; step <= 8; step *= 2) {
        const Slot *slot = i + step < n ? table_find(&entity->table, (uint64_t)keys[i + step]) : NULL;
        if (!slot || !slot->word) continue;
        const Cell *cell = &entity->cells[slot->value];
        for (int w = 0; w < WINDOWS; w++) {
            const uint32_t *ref = &refs[strip_at(&cell->strip, cell->window[w].tail)];
            if (step == 8) __builtin_prefetch((const char *)cell + 64 * w);
            else if (step == 4) __builtin_prefetch(ref);
            else if (cell->window[w].tail != cell->strip.end) __builtin_prefetch(&s->events[*ref]);
        }
    }
}

/* keys: ENTITIES x n, entity by entity; out: ENTITIES x WINDOWS x STATISTICS x n. */
void r1_push(State *s, int64_t n, const int64_t *keys, const int64_t *times, const int64_t *values, double *out) {
    for (int64_t i = 0; i < n; i++) {
        if (s->count == s->capacity) {
            s->capacity = s->capacity ? 2 * s->capacity : 1 << 16;
            s->events = realloc(s->events, s->capacity * sizeof(Event));
        }
        for (int e = 0; PREFETCH && e < ENTITIES; e++) prefetch(s, &s->entity[e], keys + e * n, i, n);
        s->events[s->count] = (Event){times[i], values[i]};
        for (int e = 0; e < ENTITIES; e++)
            measure(s, &s->entity[e], keys[e * n + i], (uint32_t)s->count, out + e * WINDOWS * STATISTICS * n + i, n);
        s->count++;
    }
}
