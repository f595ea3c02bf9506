/* Second reference: five entities, six windows, every kind that needs no labels, exact, in event-time order.
   Rows of out, per entity: seven per window (count, sum, mean, std, min, max, distinct), then of the longest window
   ratio, z-score, share of the night, share of the hour, then time since last and first, is-new, distance, speed. */
#include "store.h"

enum { ENTITIES = 5, WINDOWS = 6, PER_WINDOW = 7, LAST = WINDOWS - 1, ROWS = WINDOWS * PER_WINDOW + 9, FIELDS = 2 };
enum { HOURS = 24, NIGHT_ENDS = 6 };
static const double SCALE = 1000.0, EARTH_KM = 6371.0088, RADIAN = M_PI / 180.0;
static const int64_t MINUTE = 60000LL, HOUR = 3600000LL, DAY = 86400000LL;
static const int64_t WIDTH_MS[WINDOWS] = {10 * MINUTE, HOUR, 6 * HOUR, DAY, 7 * DAY, 30 * DAY};
static const int DISTINCT_FIELD[ENTITIES] = {1, 1, 0, 0, 0}; /* card, customer: merchants; merchant, device, ip: cards */

typedef struct { int64_t time, value; uint64_t field[FIELDS]; uint8_t hour, superseded; } Event;
typedef struct { int64_t value; uint32_t ref, index; } Extreme; /* index: the event's place in its key's strip */
typedef struct { int128 sum, square; int64_t tail_time; uint32_t tail, distinct; } Window;
typedef struct {
    Window window[WINDOWS];
    Strip strip, least, greatest;
    double lat, lon;
    uint64_t id;
    uint32_t night, hours[HOURS];
} Cell;
typedef struct {
    Table table, pairs; /* pairs: (key, value) to the event that carried it last */
    Cell *cells;
    uint64_t count, capacity;
    Pool refs, extremes;
    int field;
    uint8_t mark;
} Entity;
typedef struct { Event *events; uint64_t count, capacity; Entity entity[ENTITIES]; } State;

State *r2_new(void) {
    State *s = calloc(1, sizeof(State));
    for (int e = 0; e < ENTITIES; e++) {
        Entity *entity = &s->entity[e];
        table_init(&entity->table, 1024);
        table_init(&entity->pairs, 1024);
        pool_init(&entity->refs, sizeof(uint32_t));
        pool_init(&entity->extremes, sizeof(Extreme));
        entity->field = DISTINCT_FIELD[e];
        entity->mark = (uint8_t)(1 << e);
    }
    return s;
}

void r2_free(State *s) {
    for (int e = 0; e < ENTITIES; e++) {
        free(s->entity[e].table.slots);
        free(s->entity[e].pairs.slots);
        free(s->entity[e].cells);
        free(s->entity[e].refs.bytes);
        free(s->entity[e].extremes.bytes);
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
    Cell *cell = memset(&e->cells[e->count], 0, sizeof(Cell));
    cell->id = (uint64_t)key;
    table_put(&e->table, slot, (uint64_t)key, e->count++);
    return cell;
}

static inline uint64_t pair_of(const Cell *cell, uint64_t value) {
    uint64_t word = mixed(cell->id) * 0x9e3779b97f4a7c15ULL ^ mixed(value);
    return word ? word : 1;
}

/* What leaves the longest window leaves the counters and the pair table with it. */
static void forget(Entity *entity, Cell *cell, const Event *gone) {
    cell->hours[gone->hour]--;
    cell->night -= gone->hour <= NIGHT_ENDS;
    if (!(gone->superseded & entity->mark))
        table_remove(&entity->pairs, table_find(&entity->pairs, pair_of(cell, gone->field[entity->field])));
}

static inline void expire(const State *s, Entity *entity, Cell *cell, int w, int64_t now) {
    const uint32_t *refs = (uint32_t *)entity->refs.bytes;
    Window *window = &cell->window[w];
    while (window->tail != cell->strip.end && window->tail_time <= now - WIDTH_MS[w]) {
        const Event *gone = &s->events[refs[strip_at(&cell->strip, window->tail)]];
        window->sum -= gone->value;
        window->square -= (int128)gone->value * gone->value;
        window->distinct -= !(gone->superseded & entity->mark);
        if (w == LAST) forget(entity, cell, gone);
        if (++window->tail != cell->strip.end)
            window->tail_time = s->events[refs[strip_at(&cell->strip, window->tail)]].time;
    }
}

/* Monotone strip: `sign` 1 keeps the least, -1 the greatest values that a window may still answer with. */
static inline void extreme_push(Pool *pool, Strip *strip, Extreme fresh, int sign, uint32_t oldest) {
    Extreme *all = (Extreme *)pool->bytes;
    while (strip->end != strip->head && (int32_t)(all[strip_at(strip, strip->head)].index - oldest) < 0) strip->head++;
    while (strip->end != strip->head && sign * all[strip_at(strip, strip->end - 1)].value >= sign * fresh.value) strip->end--;
    uint64_t place = strip_push(pool, strip);
    ((Extreme *)pool->bytes)[place] = fresh;
}

static inline int64_t extreme_since(const Pool *pool, const Strip *strip, uint32_t tail) {
    const Extreme *all = (Extreme *)pool->bytes;
    uint32_t low = strip->head, high = strip->end - 1;
    while (low != high) {
        uint32_t middle = low + (high - low) / 2;
        if ((int32_t)(all[strip_at(strip, middle)].index - tail) < 0) low = middle + 1;
        else high = middle;
    }
    return all[strip_at(strip, low)].value;
}

/* Answers that leave the current event out; call before it is added. */
static inline void before(const Cell *cell, const Event *now, double *out, int64_t n) {
    const Window *window = &cell->window[LAST];
    uint32_t count = cell->strip.end - window->tail;
    double mean = mean_of(window->sum, count, SCALE), std = std_of(window->sum, window->square, count, SCALE);
    double value = (double)now->value / SCALE;
    int hour = now->hour;
    uint32_t near = cell->hours[(hour + HOURS - 1) % HOURS] + cell->hours[hour] + cell->hours[(hour + 1) % HOURS];
    out[0] = mean == 0 ? NAN : value / mean;
    out[n] = std == 0 ? NAN : (value - mean) / std;
    out[3 * n] = count ? (double)near / count : NAN;
}

static inline double great_circle_km(double lat, double lon, double lat2, double lon2) {
    double a = sin((lat2 - lat) * RADIAN / 2), b = sin((lon2 - lon) * RADIAN / 2);
    double h = a * a + cos(lat * RADIAN) * cos(lat2 * RADIAN) * b * b;
    return 2 * EARTH_KM * asin(sqrt(h < 1 ? h : 1));
}

static inline void travel(const State *s, const Entity *entity, Cell *cell, int64_t time, const double *place, double *out, int64_t n) {
    out[0] = out[3 * n] = out[4 * n] = NAN;
    if (cell->strip.end != cell->window[LAST].tail) {
        const uint32_t *refs = (uint32_t *)entity->refs.bytes;
        double seconds = (double)(time - s->events[refs[strip_at(&cell->strip, cell->strip.end - 1)]].time) / 1000.0;
        double km = great_circle_km(cell->lat, cell->lon, place[0], place[1]);
        out[0] = seconds;
        out[3 * n] = km;
        out[4 * n] = km / ((seconds > 1 ? seconds : 1) / 3600.0);
    }
    cell->lat = place[0];
    cell->lon = place[1];
}

/* Make this event the latest of its (key, value); returns the time of the one before, or -1. */
static inline int64_t supersede(State *s, Entity *entity, const Cell *cell, uint32_t ref) {
    uint64_t pair = pair_of(cell, s->events[ref].field[entity->field]);
    Slot *slot = table_find(&entity->pairs, pair);
    if (!slot->word) {
        table_put(&entity->pairs, slot, pair, ref);
        return -1;
    }
    Event *old = &s->events[slot->value];
    old->superseded |= entity->mark;
    slot->value = ref;
    return old->time;
}

static inline void add(Entity *entity, Cell *cell, const Event *now, uint32_t ref) {
    uint64_t place = strip_push(&entity->refs, &cell->strip);
    ((uint32_t *)entity->refs.bytes)[place] = ref;
    uint32_t oldest = cell->window[LAST].tail;
    Extreme fresh = {now->value, ref, cell->strip.end - 1};
    extreme_push(&entity->extremes, &cell->least, fresh, 1, oldest);
    extreme_push(&entity->extremes, &cell->greatest, fresh, -1, oldest);
    cell->hours[now->hour]++;
    cell->night += now->hour <= NIGHT_ENDS;
}

static inline void answer(const Entity *entity, Cell *cell, int w, const Event *now, int64_t old_time, double *out, int64_t n) {
    Window *window = &cell->window[w];
    uint32_t count = cell->strip.end - window->tail;
    if (count == 1) window->tail_time = now->time;
    window->sum += now->value;
    window->square += (int128)now->value * now->value;
    window->distinct += old_time <= now->time - WIDTH_MS[w];
    out[0] = count;
    out[n] = wide(window->sum) / SCALE;
    out[2 * n] = mean_of(window->sum, count, SCALE);
    out[3 * n] = std_of(window->sum, window->square, count, SCALE);
    out[4 * n] = (double)extreme_since(&entity->extremes, &cell->least, window->tail) / SCALE;
    out[5 * n] = (double)extreme_since(&entity->extremes, &cell->greatest, window->tail) / SCALE;
    out[6 * n] = window->distinct;
}

static void measure(State *s, Entity *entity, int64_t key, uint32_t ref, const double *place, double *out, int64_t n) {
    const Event *now = &s->events[ref];
    Cell *cell = cell_of(entity, key);
    for (int w = 0; w < WINDOWS; w++) expire(s, entity, cell, w, now->time);
    cell->strip.head = cell->window[LAST].tail;
    double *more = out + WINDOWS * PER_WINDOW * n;
    before(cell, now, more, n);
    travel(s, entity, cell, now->time, place, more + 4 * n, n);
    int64_t old_time = supersede(s, entity, cell, ref);
    add(entity, cell, now, ref);
    for (int w = 0; w < WINDOWS; w++) answer(entity, cell, w, now, old_time, out + w * PER_WINDOW * n, n);
    more[2 * n] = (double)cell->night / (cell->strip.end - cell->window[LAST].tail);
    more[5 * n] = (double)(now->time - cell->window[LAST].tail_time) / 1000.0;
    more[6 * n] = old_time < 0;
}

/* keys: ENTITIES x n; fields: FIELDS x n hashes; places: lat then lon, 2 x n; out: ENTITIES x ROWS x n. */
void r2_push(State *s, int64_t n, const int64_t *keys, const int64_t *times, const int64_t *values, const uint64_t *fields,
             const double *places, double *out) {
    for (int64_t i = 0; i < n; i++) {
        if (s->count == s->capacity) {
            s->capacity = s->capacity ? 2 * s->capacity : 1 << 16;
            s->events = realloc(s->events, s->capacity * sizeof(Event));
        }
        uint8_t hour = (uint8_t)(times[i] % DAY / HOUR);
        double place[2] = {places[i], places[n + i]};
        s->events[s->count] = (Event){times[i], values[i], {fields[i], fields[n + i]}, hour, 0};
        for (int e = 0; e < ENTITIES; e++)
            measure(s, &s->entity[e], keys[e * n + i], (uint32_t)s->count, place, out + e * ROWS * n + i, n);
        s->count++;
    }
}
