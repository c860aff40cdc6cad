/* The spool in front of a sink, with its threads and a real database: what the model in
 * tests/unit/spool cannot show, since in it nothing happens at the same time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bridge/base/clock.h"
#include "bridge/spool/spooling.h"
#include "tests/support/faulty_disk.h"
#include "tests/support/spool_fixture.h"

#define DEADLINE_MS 2000
#define SENDERS 6
#define EVENTS 150
#define MANY 8192

/* --- Kafka ------------------------------------------------------------------------------------ */

enum kafka_mode {
    KAFKA_UP = 0, /* acknowledges in a millisecond */
    KAFKA_MUTE,   /* takes records and says nothing */
    KAFKA_AWAY,   /* refuses at once */
};

static struct {
    struct event_sink sink;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t thread;
    enum kafka_mode mode;
    bool is_stopping;
    struct publication *queue[MANY];
    size_t queue_len;
    char log[MANY][32];
    size_t log_len;
} kafka;

static enum status kafka_publish(struct event_sink *sink, struct publication *pub)
{
    (void)sink;
    pthread_mutex_lock(&kafka.lock);
    bool takes = kafka.mode != KAFKA_AWAY && kafka.queue_len < MANY;
    if (takes)
        kafka.queue[kafka.queue_len++] = publication_ref(pub);
    pthread_cond_signal(&kafka.changed);
    pthread_mutex_unlock(&kafka.lock);
    return takes ? STATUS_OK : STATUS_UNAVAILABLE;
}

static struct publication *take_queued(size_t i)
{
    struct publication *pub = kafka.queue[i];
    memmove(&kafka.queue[i], &kafka.queue[i + 1], (--kafka.queue_len - i) * sizeof(pub));
    return pub;
}

/* The next one to report of, and what. The lock is held. */
static struct publication *next_report(enum status *ret)
{
    *ret = STATUS_UNAVAILABLE;
    for (size_t i = 0; i < kafka.queue_len; i++)
        if (kafka.is_stopping || publication_is_abandoned(kafka.queue[i]))
            return take_queued(i);
    if (kafka.queue_len == 0 || kafka.mode == KAFKA_MUTE)
        return NULL;
    struct publication *pub = take_queued(0);
    if (kafka.mode == KAFKA_AWAY)
        return pub;
    for (size_t i = 0; i < pub->records_len; i++)
        snprintf(kafka.log[kafka.log_len++], sizeof(kafka.log[0]), "%.*s",
                 (int)pub->records[i].value.len, (const char *)pub->records[i].value.data);
    *ret = STATUS_OK;
    return pub;
}

static void wait_a_millisecond(pthread_cond_t *changed, pthread_mutex_t *lock)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_cond_timedwait(changed, lock, &until);
}

static void *kafka_run(void *ctx)
{
    (void)ctx;
    pthread_mutex_lock(&kafka.lock);
    while (!kafka.is_stopping || kafka.queue_len > 0) {
        enum status status;
        struct publication *pub = next_report(&status);
        if (pub == NULL) {
            wait_a_millisecond(&kafka.changed, &kafka.lock);
            continue;
        }
        pthread_mutex_unlock(&kafka.lock);
        atomic_store(&pub->maybe_durable, status == STATUS_OK ? pub->records_len : 0);
        (void)pub->on_done(pub, status);
        publication_unref(pub);
        pthread_mutex_lock(&kafka.lock);
    }
    pthread_mutex_unlock(&kafka.lock);
    return NULL;
}

static void kafka_set(enum kafka_mode mode)
{
    pthread_mutex_lock(&kafka.lock);
    kafka.mode = mode;
    pthread_cond_signal(&kafka.changed);
    pthread_mutex_unlock(&kafka.lock);
}

static size_t kafka_count(const char *value)
{
    size_t count = 0;
    pthread_mutex_lock(&kafka.lock);
    for (size_t i = 0; i < kafka.log_len; i++)
        count += strcmp(kafka.log[i], value) == 0;
    pthread_mutex_unlock(&kafka.lock);
    return count;
}

/* --- callbacks -------------------------------------------------------------------------------- */

enum { WAITING, ANSWERED, EXPIRED };

struct callback {
    struct publication pub;
    struct record record;
    char key[16], value[32];
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int state;
    enum status report;
};

static bool on_done(struct publication *pub, enum status status)
{
    struct callback *c = pub->owner;
    pthread_mutex_lock(&c->lock);
    bool is_heard = c->state == WAITING;
    if (is_heard) {
        c->state = ANSWERED;
        c->report = status;
    }
    pthread_cond_signal(&c->changed);
    pthread_mutex_unlock(&c->lock);
    return is_heard;
}

static void on_release(struct publication *pub)
{
    struct callback *c = pub->owner;
    pthread_cond_destroy(&c->changed);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

static struct callback *callback_new(int sender, int event)
{
    struct callback *c = calloc(1, sizeof(*c));
    assert_non_null(c);
    publication_init(&c->pub);
    snprintf(c->key, sizeof(c->key), "key-%d", sender);
    snprintf(c->value, sizeof(c->value), "%d:%d", sender, event);
    c->record = (struct record){.topic = "maesn.invoice",
                                .key = bytes_of_text(c->key),
                                .value = bytes_of_text(c->value),
                                .account = "acme-42"};
    c->pub.records = &c->record;
    c->pub.records_len = 1;
    c->pub.due_mono_ms = clock_mono_ms() + DEADLINE_MS;
    c->pub.owner = c;
    c->pub.on_done = on_done;
    c->pub.on_release = on_release;
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->changed, NULL);
    return c;
}

/* Sends it and waits, at most until it is due: as the ingress does. */
static enum status callback_send(struct event_sink *sink, int sender, int event)
{
    struct callback *c = callback_new(sender, event);
    enum status status = event_sink_publish(sink, &c->pub);
    if (status == STATUS_OK) {
        pthread_mutex_lock(&c->lock);
        while (c->state == WAITING && clock_mono_ms() < c->pub.due_mono_ms)
            wait_a_millisecond(&c->changed, &c->lock);
        if (c->state == WAITING) {
            c->state = EXPIRED;
            publication_abandon(&c->pub);
        }
        status = c->state == EXPIRED ? STATUS_UNAVAILABLE : c->report;
        pthread_mutex_unlock(&c->lock);
    }
    publication_unref(&c->pub);
    return status;
}

/* --- the whole -------------------------------------------------------------------------------- */

static struct {
    char directory[64];
    struct metrics *metrics;
    struct spooling *spooling;
} f;

static void start(void)
{
    struct diag diag = {0};
    kafka.is_stopping = false;
    assert_int_equal(pthread_create(&kafka.thread, NULL, kafka_run, NULL), 0);
    assert_int_equal(metrics_new(&f.metrics), STATUS_OK);
    const struct spooling_options opt = {.directory = f.directory,
                                         .max_bytes = 64 << 20,
                                         .deadline_ms = DEADLINE_MS,
                                         .inner = &kafka.sink,
                                         .metrics = f.metrics};
    assert_int_equal(spooling_new(&opt, &f.spooling, &diag), STATUS_OK);
}

static void stop(void)
{
    spooling_stop(f.spooling);
    pthread_mutex_lock(&kafka.lock);
    kafka.is_stopping = true;
    pthread_cond_signal(&kafka.changed);
    pthread_mutex_unlock(&kafka.lock);
    pthread_join(kafka.thread, NULL);
    spooling_free(f.spooling);
    metrics_free(f.metrics);
}

static int setup(void **state)
{
    (void)state;
    faulty_disk_start();
    memset(&kafka, 0, sizeof(kafka));
    kafka.sink.publish = kafka_publish;
    pthread_mutex_init(&kafka.lock, NULL);
    pthread_cond_init(&kafka.changed, NULL);
    spool_fixture_make_directory(f.directory);
    start();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    stop();
    spool_fixture_remove_directory(f.directory);
    pthread_cond_destroy(&kafka.changed);
    pthread_mutex_destroy(&kafka.lock);
    return 0;
}

/* Waits until so many records are in Kafka. */
static void wait_for_log(size_t len)
{
    int64_t until = clock_mono_ms() + 20000;
    pthread_mutex_lock(&kafka.lock);
    while (kafka.log_len < len && clock_mono_ms() < until)
        wait_a_millisecond(&kafka.changed, &kafka.lock);
    assert_true(kafka.log_len >= len);
    pthread_mutex_unlock(&kafka.lock);
}

static void wait_ms(int64_t ms)
{
    int64_t until = clock_mono_ms() + ms;
    pthread_mutex_lock(&kafka.lock);
    while (clock_mono_ms() < until)
        wait_a_millisecond(&kafka.changed, &kafka.lock);
    pthread_mutex_unlock(&kafka.lock);
}

static void wait_for_value(const char *value)
{
    int64_t until = clock_mono_ms() + 20000;
    while (kafka_count(value) == 0) {
        assert_true(clock_mono_ms() < until);
        wait_ms(1);
    }
}

/* --- tests ------------------------------------------------------------------------------------ */

static atomic_int answered;

static void *send_events(void *ctx)
{
    int sender = *(int *)ctx;
    struct event_sink *sink = spooling_sink(f.spooling);
    for (int event = 0; event < EVENTS; event++) {
        while (callback_send(sink, sender, event) != STATUS_OK)
            wait_ms(5);
        atomic_fetch_add(&answered, 1);
    }
    return NULL;
}

/* The first copy of each event comes after the first copies of all before it. */
static void check_order(int sender)
{
    int last = -1;
    for (size_t i = 0; i < kafka.log_len; i++) {
        char expected[32];
        snprintf(expected, sizeof(expected), "%d:%d", sender, last + 1);
        if (strcmp(kafka.log[i], expected) == 0)
            last++;
    }
    assert_int_equal(last, EVENTS - 1);
    for (int event = 1; event < EVENTS; event++) {
        char older[32], newer[32];
        size_t first_older = SIZE_MAX, first_newer = SIZE_MAX;
        snprintf(older, sizeof(older), "%d:%d", sender, event - 1);
        snprintf(newer, sizeof(newer), "%d:%d", sender, event);
        for (size_t i = kafka.log_len; i-- > 0;) {
            first_older = strcmp(kafka.log[i], older) == 0 ? i : first_older;
            first_newer = strcmp(kafka.log[i], newer) == 0 ? i : first_newer;
        }
        assert_true(first_older < first_newer);
    }
}

static void through_outages_everything_is_answered_and_delivered_in_order(void **state)
{
    (void)state;
    pthread_t threads[SENDERS];
    int numbers[SENDERS];
    atomic_store(&answered, 0);
    for (int i = 0; i < SENDERS; i++) {
        numbers[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, send_events, &numbers[i]), 0);
    }
    static const enum kafka_mode modes[] = {KAFKA_UP,   KAFKA_MUTE, KAFKA_UP, KAFKA_AWAY,
                                            KAFKA_MUTE, KAFKA_AWAY, KAFKA_UP};
    for (int round = 0; atomic_load(&answered) < SENDERS * EVENTS; round++) {
        kafka_set(modes[round % 7]);
        wait_ms(20 + round % 5 * 60);
    }
    kafka_set(KAFKA_UP);
    for (int i = 0; i < SENDERS; i++)
        pthread_join(threads[i], NULL);
    wait_for_log(SENDERS * EVENTS);
    /* Nothing is left once they go directly again. */
    int64_t until = clock_mono_ms() + 20000;
    char value[32];
    while (strcmp(test_metric(f.metrics, "maesn_bridge_spool_engaged", value), "0") != 0) {
        assert_true(clock_mono_ms() < until);
        wait_ms(10);
    }
    for (int i = 0; i < SENDERS; i++)
        check_order(i);
}

static void what_the_spool_holds_is_delivered_by_the_next_process(void **state)
{
    (void)state;
    kafka_set(KAFKA_AWAY);
    for (int event = 0; event < 300; event++)
        assert_int_equal(callback_send(spooling_sink(f.spooling), 0, event), STATUS_OK);
    stop();
    assert_int_equal(kafka.log_len, 0);
    kafka_set(KAFKA_UP);
    start();
    wait_for_log(300);
    assert_int_equal(kafka_count("0:0"), 1);
    assert_string_equal(kafka.log[299], "0:299");
}

static void a_disk_that_does_not_flush_is_an_error_until_it_does(void **state)
{
    (void)state;
    kafka_set(KAFKA_AWAY);
    assert_int_equal(callback_send(spooling_sink(f.spooling), 0, 0), STATUS_OK);
    faulty_disk_set_flush_fails(true);
    for (int event = 1; event < 4; event++)
        assert_int_equal(callback_send(spooling_sink(f.spooling), 1, event), STATUS_UNAVAILABLE);
    assert_false(spooling_is_healthy(f.spooling, NULL));
    faulty_disk_set_flush_fails(false);
    int64_t until = clock_mono_ms() + 20000;
    while (callback_send(spooling_sink(f.spooling), 0, 1) != STATUS_OK) {
        assert_true(clock_mono_ms() < until);
        wait_ms(20);
    }
    kafka_set(KAFKA_UP);
    /* Not by number: one whose flush failed may be there too. */
    wait_for_value("0:0");
    wait_for_value("0:1");
}

static void a_full_disk_is_an_error_until_there_is_room(void **state)
{
    (void)state;
    kafka_set(KAFKA_AWAY);
    faulty_disk_set_full(true);
    int event = 0;
    while (callback_send(spooling_sink(f.spooling), 0, event) == STATUS_OK)
        assert_true(++event < 10000);
    faulty_disk_set_full(false);
    int64_t until = clock_mono_ms() + 20000;
    while (callback_send(spooling_sink(f.spooling), 0, event) != STATUS_OK) {
        assert_true(clock_mono_ms() < until);
        wait_ms(20);
    }
    kafka_set(KAFKA_UP);
    wait_for_log((size_t)event + 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(through_outages_everything_is_answered_and_delivered_in_order),
        TEST(what_the_spool_holds_is_delivered_by_the_next_process),
        TEST(a_disk_that_does_not_flush_is_an_error_until_it_does),
        TEST(a_full_disk_is_an_error_until_there_is_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
