/* The spooling sink and the drain in a world in which everything happens in any order: random
 * histories of senders, a Kafka that acknowledges, breaks and refuses, a disk that is slow, full or
 * broken, a clock, and crashes. After each step, and at the end when everything works again, the
 * promises hold:
 *
 *   durable     what was answered 200 is in Kafka or in the spool, and in the end in Kafka
 *   order       of a key, as long as its sender waits for its answers
 *   late        what was answered 503 is not sent afterwards
 *   once        on_done is called once for what was taken, never for what was refused
 *   waited      who delivers directly learns whether the callback was answered 503 meanwhile
 *   duplicates  a record is in Kafka once, but for those that are counted or were sent again
 *   ends        in the end everything is answered and the spool is empty
 *
 * MODEL_PROMISE=name: only that one is checked. MODEL_HISTORIES=n, MODEL_SEED=n.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bridge/base/clock.h"
#include "bridge/spool/drain.h"
#include "bridge/spool/spooling_sink.h"

#define KEYS 4
#define LANES 2
#define MANY 4096
#define DEADLINE_MS 2500

static struct {
    uint64_t chance;
    uint64_t seed;
    int64_t now;
    bool is_ghost; /* a process that was killed is cleared away: nothing it does has an effect */
    bool is_resting;
    bool has_failed;
} world;

static uint32_t chance(uint32_t below)
{
    world.chance = world.chance * 6364136223846793005U + 1442695040888963407U;
    return (uint32_t)(world.chance >> 33) % below;
}

static bool one_in(uint32_t n)
{
    return chance(n) == 0;
}

static long number_of_digits(const char *text)
{
    long number = 0;
    for (; *text >= '0' && *text <= '9'; text++)
        number = number * 10 + (*text - '0');
    return number;
}

static void violate(const char *promise, const char *what, int id)
{
    const char *only = getenv("MODEL_PROMISE");
    if (only != NULL && strcmp(only, promise) != 0)
        return;
    if (!world.has_failed)
        printf("seed %llu violates %s: %s (%d)\n", (unsigned long long)world.seed, promise, what,
               id);
    world.has_failed = true;
}

/* --- the clock ---------------------------------------------------------------------------------
 */

int64_t clock_mono_ms(void)
{
    return world.now;
}

int64_t clock_mono_us(void)
{
    return world.now * 1000;
}

int64_t clock_unix_ms(void)
{
    return world.now;
}

/* --- callbacks and their senders ----------------------------------------------------------------
 */

enum answer {
    ANSWER_WAITING = 0,
    ANSWER_200,
    ANSWER_503,
    ANSWER_LOST, /* the process was killed */
};

/* One sending of an event; told of it stays when it is gone. */
struct told {
    int key, event;
    int records;
    enum answer answer;
    bool is_refused;
    int done_calls;
    bool may_be_late; /* it was in the spool when the process was killed, or the disk broke */
    int64_t due;
};

struct callback {
    struct publication pub;
    struct record records[2];
    int id;
};

static struct told told[MANY];
static int told_len;
static struct callback *waiting[KEYS]; /* what a sender waits for; NULL: nothing */
static int events[KEYS];               /* the event it sends, or sends again */
static int resent;

static void answer(struct callback *c, enum answer a)
{
    struct told *t = &told[c->id];
    t->answer = a;
    waiting[t->key] = NULL;
    if (a == ANSWER_200)
        events[t->key]++;
    else
        resent++;
}

static void expire(struct callback *c)
{
    publication_abandon(&c->pub);
    answer(c, ANSWER_503);
}

static void meanwhile(void);

static bool on_callback_done(struct publication *pub, enum status status)
{
    struct callback *c = pub->owner;
    struct told *t = &told[c->id];
    if (t->is_refused || ++t->done_calls > 1)
        violate("once", "on_done of what was refused, or twice", c->id);
    if (world.is_ghost)
        return true;
    if (t->answer == ANSWER_WAITING && one_in(30))
        expire(c); /* in this very moment */
    if (t->answer != ANSWER_WAITING)
        return false;
    meanwhile();
    answer(c, status == STATUS_OK ? ANSWER_200 : ANSWER_503);
    return true;
}

static void on_callback_release(struct publication *pub)
{
    free(pub->owner);
}

static struct record record_of(int key, int id)
{
    static char keys[KEYS][4], values[MANY][8];
    snprintf(keys[key], sizeof(keys[key]), "%d", key);
    snprintf(values[id], sizeof(values[id]), "%d", id);
    return (struct record){.topic = "t",
                           .key = bytes_of_text(keys[key]),
                           .value = bytes_of_text(values[id]),
                           .account = "a"};
}

/* --- Kafka --------------------------------------------------------------------------------------
 */

struct flying {
    struct publication *pub; /* a reference */
    bool is_sent;
};

static struct lane {
    struct flying flying[MANY];
    size_t len;
    bool is_up;
    bool refuses_for_good;
} lanes[LANES];

static int kafka_log[2 * MANY]; /* ids */
static size_t kafka_log_len;

static int id_of(const struct record *r)
{
    return (int)number_of_digits((const char *)r->value.data);
}

static struct lane *lane_of(const struct publication *pub)
{
    return &lanes[number_of_digits((const char *)pub->records[0].key.data) % LANES];
}

static void append(const struct publication *pub, size_t records)
{
    for (size_t i = 0; i < records && !world.is_ghost; i++)
        kafka_log[kafka_log_len++] = id_of(&pub->records[i]);
}

static void send_one(struct flying *f)
{
    const struct told *t = &told[id_of(&f->pub->records[0])];
    f->is_sent = true;
    if (t->answer == ANSWER_503 && !t->may_be_late)
        violate("late", "sent after its callback was answered 503", id_of(&f->pub->records[0]));
}

static struct publication *take_flying(struct lane *l, size_t i)
{
    struct publication *pub = l->flying[i].pub;
    memmove(&l->flying[i], &l->flying[i + 1], (--l->len - i) * sizeof(l->flying[0]));
    return pub;
}

static void end_flying(struct publication *pub, enum status status)
{
    bool was_waited_for = pub->on_done(pub, status);
    bool is_attempt = pub->origin != NULL;
    int id = id_of(&pub->records[0]);
    if (status == STATUS_OK && is_attempt && !world.is_ghost &&
        was_waited_for != (told[id].answer != ANSWER_503))
        violate("waited", "what was answered 503 was said to be waited for, or the reverse", id);
    publication_unref(pub);
}

static enum status kafka_publish(struct event_sink *sink, struct publication *pub)
{
    (void)sink;
    struct lane *l = lane_of(pub);
    if (publication_is_abandoned(pub))
        return STATUS_UNAVAILABLE;
    if (!l->is_up && one_in(2))
        return l->refuses_for_good ? STATUS_REFUSED : STATUS_UNAVAILABLE;
    if (one_in(40))
        return STATUS_BUSY;
    if (one_in(100))
        return STATUS_NOMEM;
    publication_ref(pub);
    if (l->is_up && l->len == 0 && one_in(10)) { /* before publish() returns */
        append(pub, pub->records_len);
        atomic_store(&pub->maybe_durable, pub->records_len);
        end_flying(pub, STATUS_OK);
        return STATUS_OK;
    }
    l->flying[l->len++] = (struct flying){.pub = pub};
    return STATUS_OK;
}

static struct event_sink kafka = {kafka_publish};

static void drop_abandoned(struct lane *l)
{
    for (size_t i = 0; i < l->len; i++)
        if (!l->flying[i].is_sent && publication_is_abandoned(l->flying[i].pub)) {
            end_flying(take_flying(l, i), STATUS_UNAVAILABLE);
            return; /* which may have changed everything */
        }
}

static void send_next(struct lane *l)
{
    for (size_t i = 0; l->is_up && i < l->len; i++)
        if (!l->flying[i].is_sent) {
            if (publication_is_abandoned(l->flying[i].pub))
                drop_abandoned(l);
            else
                send_one(&l->flying[i]);
            return;
        }
}

/* Nearly always in the order in which they were sent; but a request that was refused for now, or
 * met a new leader, is repeated behind some that were sent after it. */
static void acknowledge(struct lane *l)
{
    if (!l->is_up || l->len == 0 || !l->flying[0].is_sent)
        return;
    size_t sent = 1;
    while (sent < l->len && l->flying[sent].is_sent)
        sent++;
    struct publication *pub = take_flying(l, one_in(6) ? chance((uint32_t)sent) : 0);
    append(pub, pub->records_len);
    atomic_store(&pub->maybe_durable, pub->records_len);
    end_flying(pub, STATUS_OK);
}

/* The connection breaks: of what was sent the first ones are stored, nobody hears of it. */
static void break_lane(struct lane *l)
{
    bool is_stored = true;
    size_t sent = 0;
    while (sent < l->len && l->flying[sent].is_sent)
        sent++;
    struct publication *pubs[MANY];
    for (size_t i = 0; i < sent; i++) {
        pubs[i] = take_flying(l, 0);
        is_stored = is_stored && !one_in(3);
        append(pubs[i], is_stored ? pubs[i]->records_len : 0);
        atomic_store(&pubs[i]->maybe_durable, pubs[i]->records_len);
    }
    l->is_up = false;
    for (size_t i = 0; i < sent; i++)
        end_flying(pubs[i], l->refuses_for_good ? STATUS_REFUSED : STATUS_UNAVAILABLE);
}

/* --- the spool ----------------------------------------------------------------------------------
 */

enum disk {
    DISK_FINE = 0,
    DISK_FULL,
    DISK_BROKEN,
};

struct row {
    int64_t sequence;
    int key, id;
};

static struct {
    enum disk disk;
    struct spool_entry *put[MANY];
    size_t put_len;
    struct spool_entry *committed[MANY]; /* whose on_end is to be called */
    enum spool_outcome outcomes[MANY];
    size_t committed_len;
    struct row rows[MANY];
    size_t rows_len;
    int64_t deletes[MANY];
    size_t deletes_len;
    int64_t next_sequence;
} spool;

enum status spool_put(struct spool *s, struct spool_entry *entry)
{
    (void)s;
    if (spool.disk != DISK_FINE)
        return spool.disk == DISK_FULL ? STATUS_BUSY : STATUS_UNAVAILABLE;
    publication_ref(entry->pub);
    spool.put[spool.put_len++] = entry;
    return STATUS_OK;
}

void spool_withdraw(struct spool_entry *entry)
{
    atomic_store(&entry->is_withdrawn, true);
}

static int kept_unknown; /* rows that a crash or a failed commit left: who knows where they are */

static void store_rows(struct spool_entry *entry, bool may_be_late)
{
    kept_unknown += may_be_late ? (int)entry->pub->records_len : 0;
    entry->first_sequence = spool.next_sequence;
    for (size_t i = 0; i < entry->pub->records_len; i++) {
        int id = id_of(&entry->pub->records[i]);
        told[id].may_be_late |= may_be_late;
        spool.rows[spool.rows_len++] = (struct row){spool.next_sequence++, told[id].key, id};
    }
}

/* Some of what waits, in one transaction. */
static void commit(void)
{
    size_t len = spool.put_len == 0 ? 0 : 1 + chance((uint32_t)spool.put_len);
    if (spool.committed_len > 0)
        return; /* one writer */
    for (size_t i = 0; i < len; i++) {
        struct spool_entry *entry = spool.put[i];
        enum spool_outcome outcome = SPOOL_STORED;
        if (atomic_load(&entry->is_withdrawn))
            outcome = SPOOL_WITHDRAWN;
        else if (spool.disk != DISK_FINE)
            outcome = spool.disk == DISK_FULL ? SPOOL_FULL : SPOOL_FAILED;
        if (outcome == SPOOL_STORED || (outcome == SPOOL_FAILED && one_in(2)))
            store_rows(entry, outcome == SPOOL_FAILED);
        spool.committed[i] = entry;
        spool.outcomes[i] = outcome;
    }
    spool.put_len -= len;
    memmove(spool.put, spool.put + len, spool.put_len * sizeof(spool.put[0]));
    spool.committed_len = len;
}

static void publish(int key);

static void end_committed(void)
{
    if (spool.committed_len == 0)
        return;
    struct spool_entry *entry = spool.committed[0];
    struct publication *pub = entry->pub;
    enum spool_outcome outcome = spool.outcomes[0];
    spool.committed_len--;
    memmove(spool.committed, spool.committed + 1, spool.committed_len * sizeof(spool.committed[0]));
    memmove(spool.outcomes, spool.outcomes + 1, spool.committed_len * sizeof(spool.outcomes[0]));
    entry->on_end(entry, outcome);
    publication_unref(pub);
}

static bool is_to_be_deleted(int64_t sequence)
{
    for (size_t i = 0; i < spool.deletes_len; i++)
        if (spool.deletes[i] == sequence)
            return true;
    return false;
}

static void commit_deletes(void)
{
    size_t kept = 0;
    if (spool.disk == DISK_BROKEN)
        return;
    for (size_t i = 0; i < spool.rows_len; i++)
        if (!is_to_be_deleted(spool.rows[i].sequence))
            spool.rows[kept++] = spool.rows[i];
    spool.rows_len = kept;
    spool.deletes_len = 0;
}

enum status spool_delete(struct spool *s, const int64_t *sequences, size_t len)
{
    (void)s;
    for (size_t i = 0; i < len && !world.is_ghost; i++)
        spool.deletes[spool.deletes_len++] = sequences[i];
    meanwhile();
    return STATUS_OK;
}

enum status spool_read(struct spool *s, int64_t after, size_t max, size_t max_bytes,
                       struct arena *a, struct spooled_record **ret, size_t *ret_len)
{
    (void)s;
    (void)max_bytes;
    if (spool.disk == DISK_BROKEN)
        return STATUS_UNAVAILABLE;
    max = max > 8 ? 8 : max;
    struct spooled_record *rows = arena_alloc(a, max * sizeof(*rows));
    assert_non_null(rows);
    *ret_len = 0;
    for (size_t i = 0; i < spool.rows_len && *ret_len < max; i++) {
        const struct row *row = &spool.rows[i];
        if (row->sequence > after && !is_to_be_deleted(row->sequence))
            rows[(*ret_len)++] = (struct spooled_record){.sequence = row->sequence,
                                                         .record = record_of(row->key, row->id)};
    }
    *ret = rows;
    meanwhile();
    return STATUS_OK;
}

static void do_something_else(void);

/* What other threads do in the middle of a call. */
static void meanwhile(void)
{
    static bool is_inside;
    if (is_inside || world.is_ghost || world.is_resting || !one_in(8))
        return;
    is_inside = true;
    for (uint32_t n = chance(4); n < 4; n++)
        do_something_else();
    is_inside = false;
}

static void do_something_else(void)
{
    switch (chance(4)) {
    case 0:
        acknowledge(&lanes[chance(LANES)]);
        break;
    case 1:
        commit();
        end_committed();
        break;
    case 2:
        break_lane(&lanes[chance(LANES)]);
        break;
    case 3:
        publish((int)chance(KEYS));
        break;
    }
}

/* --- the process --------------------------------------------------------------------------------
 */

static struct backlog backlog;
static struct spooling_sink *sink;
static struct drain *drain;
static struct metrics *metrics;

static void on_empty(void *ctx, int64_t now_mono_ms)
{
    (void)ctx;
    spooling_sink_open(sink, now_mono_ms);
}

static bool is_refused(void *ctx, const char *topic)
{
    (void)ctx;
    return drain_refuses(drain, topic);
}

static void start_process(void)
{
    world.is_ghost = world.is_resting = false;
    backlog_init(&backlog, spool.rows_len > 0, world.now);
    const struct drain_options drained = {
        .sink = &kafka, .backlog = &backlog, .metrics = metrics, .on_empty = on_empty};
    assert_int_equal(drain_new(&drained, &drain), STATUS_OK);
    const struct spooling_sink_options opt = {.inner = &kafka,
                                              .backlog = &backlog,
                                              .deadline_ms = DEADLINE_MS,
                                              .metrics = metrics,
                                              .is_refused = is_refused};
    assert_int_equal(spooling_sink_new(&opt, &sink), STATUS_OK);
}

/* As spooling_stop() and spooling_free() do, the sink and the writer concluding in between. */
static void clear_process(void)
{
    spooling_sink_open(sink, world.now);
    drain_stop(drain);
    for (int l = 0; l < LANES; l++)
        while (lanes[l].len > 0)
            end_flying(take_flying(&lanes[l], 0), STATUS_UNAVAILABLE);
    drain_free(drain);
    while (spool.committed_len + spool.put_len > 0) {
        commit();
        end_committed();
    }
    spooling_sink_free(sink);
    backlog_done(&backlog);
}

static void crash(void)
{
    for (int k = 0; k < KEYS; k++)
        if (waiting[k] != NULL)
            answer(waiting[k], ANSWER_LOST);
    world.is_ghost = true;
    spool.deletes_len = 0;
    for (size_t i = 0; i < spool.rows_len; i++)
        told[spool.rows[i].id].may_be_late = true;
    kept_unknown += (int)spool.rows_len;
    struct row rows[MANY];
    size_t len = spool.rows_len;
    memcpy(rows, spool.rows, sizeof(rows));
    enum disk disk = spool.disk;
    spool.disk = DISK_FULL;
    clear_process();
    spool.disk = disk;
    memcpy(spool.rows, rows, sizeof(rows));
    spool.rows_len = len;
    spool.deletes_len = 0;
    start_process();
}

static void publish(int key)
{
    if (waiting[key] != NULL || told_len == MANY)
        return;
    struct callback *c = calloc(1, sizeof(*c));
    assert_non_null(c);
    c->id = told_len++;
    told[c->id] = (struct told){.key = key, .event = events[key], .due = world.now + DEADLINE_MS};
    publication_init(&c->pub);
    c->pub.records = c->records;
    c->pub.records_len = 1 + one_in(4);
    told[c->id].records = (int)c->pub.records_len;
    for (size_t i = 0; i < c->pub.records_len; i++)
        c->records[i] = record_of(key, c->id);
    c->pub.due_mono_ms = one_in(2) ? told[c->id].due : 0;
    c->pub.on_done = on_callback_done;
    c->pub.on_release = on_callback_release;
    c->pub.owner = c;
    waiting[key] = c;
    if (event_sink_publish(spooling_sink_port(sink), &c->pub) != STATUS_OK) {
        if (told[c->id].done_calls > 0)
            violate("once", "on_done of what was refused", c->id);
        told[c->id].is_refused = true;
        answer(c, ANSWER_503);
    }
    publication_unref(&c->pub);
}

static void pass_time(void)
{
    world.now += one_in(3) ? chance(600) : chance(20);
    for (int k = 0; k < KEYS; k++)
        if (waiting[k] != NULL && world.now >= told[waiting[k]->id].due)
            expire(waiting[k]);
}

/* --- the promises -------------------------------------------------------------------------------
 */

static bool is_in_log(int id)
{
    for (size_t i = 0; i < kafka_log_len; i++)
        if (kafka_log[i] == id)
            return true;
    return false;
}

static void check_durable(bool in_the_end)
{
    for (int id = 0; id < told_len; id++) {
        bool is_stored = false;
        for (size_t i = 0; i < spool.rows_len && !in_the_end; i++)
            is_stored |= spool.rows[i].id == id;
        if (told[id].answer == ANSWER_200 && !is_stored && !is_in_log(id))
            violate("durable", "answered 200 and nowhere", id);
    }
}

/* The place of an event in Kafka. */
static size_t first_of(int key, int event)
{
    for (size_t i = 0; i < kafka_log_len; i++)
        if (told[kafka_log[i]].key == key && told[kafka_log[i]].event == event)
            return i;
    return SIZE_MAX;
}

static void check_order(void)
{
    for (int key = 0; key < KEYS; key++)
        for (int event = 0; event + 1 < events[key]; event++)
            if (first_of(key, event) > first_of(key, event + 1))
                violate("order", "an event before an older one of its key", event);
}

static void check_duplicates(void)
{
    long allowed = 0, found = (long)kafka_log_len;
    for (int id = 0; id < told_len; id++) {
        long copies = 0;
        for (size_t i = 0; i < kafka_log_len; i++)
            copies += kafka_log[i] == id;
        allowed += copies > told[id].records ? told[id].records : copies;
    }
    struct counter *counted = metrics_counter(
        metrics, "maesn_bridge_spool_duplicates_possible_total",
        "Records delivered from the spool that Kafka may have already, with the same ce_id.", NULL,
        0);
    if (found > allowed + (long)counter_value(counted) + kept_unknown)
        violate("duplicates", "more of them than were counted", (int)(found - allowed));
}

static void check_ends(void)
{
    for (int key = 0; key < KEYS; key++)
        if (waiting[key] != NULL)
            violate("ends", "not answered", waiting[key]->id);
    for (int id = 0; id < told_len; id++)
        if (told[id].answer != ANSWER_LOST && !told[id].is_refused && told[id].done_calls != 1)
            violate("once", "on_done was not called once", id);
    commit_deletes();
    if (!backlog_is_empty(&backlog) || spool.rows_len > 0)
        violate("ends", "the spool is not empty", (int)spool.rows_len);
}

/* --- histories ----------------------------------------------------------------------------------
 */

static void step(void)
{
    struct lane *l = &lanes[chance(LANES)];
    switch (chance(24)) {
    case 0:
    case 1:
    case 2:
        publish((int)chance(KEYS));
        break;
    case 3:
    case 4:
    case 5:
        send_next(l);
        break;
    case 6:
    case 7:
    case 8:
        acknowledge(l);
        break;
    case 9:
        if (one_in(4))
            break_lane(l);
        break;
    case 10:
        if (one_in(3))
            l->is_up = !l->is_up;
        l->refuses_for_good = one_in(8);
        break;
    case 11:
        drop_abandoned(l);
        break;
    case 12:
    case 13:
        commit();
        break;
    case 14:
    case 15:
        end_committed();
        break;
    case 16:
        commit_deletes();
        break;
    case 17:
    case 18:
        pass_time();
        break;
    case 19:
    case 20:
        (void)spooling_sink_turn(sink, world.now);
        break;
    case 21:
    case 22:
        (void)drain_turn(drain, world.now);
        break;
    case 23:
        if (one_in(10))
            spool.disk = (enum disk)chance(3);
        else if (one_in(4))
            spool.disk = DISK_FINE;
        else if (one_in(60))
            crash();
        break;
    }
}

/* Everything works again, and nobody sends anything new. */
static void come_to_rest(void)
{
    spool.disk = DISK_FINE;
    world.is_resting = true;
    for (int i = 0; i < 400; i++) {
        for (int l = 0; l < LANES; l++) {
            lanes[l].is_up = true;
            lanes[l].refuses_for_good = false;
            drop_abandoned(&lanes[l]);
            for (int n = 0; n < 8; n++)
                send_next(&lanes[l]);
            for (int n = 0; n < 8; n++)
                acknowledge(&lanes[l]);
        }
        commit();
        while (spool.committed_len > 0)
            end_committed();
        (void)spooling_sink_turn(sink, world.now);
        (void)drain_turn(drain, world.now);
        world.now += 50;
        for (int k = 0; k < KEYS; k++)
            if (waiting[k] != NULL && world.now >= told[waiting[k]->id].due)
                expire(waiting[k]);
    }
}

static void run_history(uint64_t seed, int steps)
{
    memset(&spool, 0, sizeof(spool));
    memset(lanes, 0, sizeof(lanes));
    memset(events, 0, sizeof(events));
    spool.next_sequence = 1;
    told_len = 0;
    kafka_log_len = 0;
    resent = kept_unknown = 0;
    world.chance = world.seed = seed;
    world.now = 1000000;
    for (int l = 0; l < LANES; l++)
        lanes[l].is_up = true;
    assert_int_equal(metrics_new(&metrics), STATUS_OK);
    start_process();
    for (int i = 0; i < steps && !world.has_failed; i++) {
        step();
        if (i % 16 == 0)
            check_durable(false);
    }
    if (!world.has_failed) {
        come_to_rest();
        check_durable(true);
        check_order();
        check_duplicates();
        check_ends();
    }
    world.is_ghost = true;
    for (int k = 0; k < KEYS; k++)
        waiting[k] = NULL;
    clear_process();
    metrics_free(metrics);
}

static long number_of(const char *name, long otherwise)
{
    const char *text = getenv(name);
    return text == NULL ? otherwise : number_of_digits(text);
}

static void every_history_keeps_the_promises(void **state)
{
    (void)state;
    long histories = number_of("MODEL_HISTORIES", 6000), first = number_of("MODEL_SEED", 1);
    for (long i = 0; i < histories && !world.has_failed; i++)
        run_history((uint64_t)(first + i), 100 + (int)(i % 8) * 100);
    assert_false(world.has_failed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_history_keeps_the_promises)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
