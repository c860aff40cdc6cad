#include "bridge/app/activity_writer.h"

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bridge/base/clock.h"
#include "bridge/registry/activity_record.h"
#include "bridge/registry/record_form.h"

/* What it was given, in the order of the records. */
struct seen {
    char key[64];
    struct activity_record record;
};

#define SEEN_MAX 4096

struct fake_sink {
    struct event_sink port; /* first */
    pthread_mutex_t lock;   /* guards the rest */
    enum status refuses;
    enum status reports;
    bool holds;
    struct publication *held;
    size_t publications;
    size_t len;
    struct seen seen[SEEN_MAX];
};

static struct fake_sink sink;
static struct activity_writer *writer;

static void see(const struct record *r)
{
    assert_true(sink.len < SEEN_MAX);
    struct seen *s = &sink.seen[sink.len++];
    assert_string_equal(r->topic, "maesn.bridge.activity");
    assert_null(r->account);
    assert_true(bytes_equal(record_header(r, "content-type"), BYTES_LITERAL("application/json")));
    snprintf(s->key, sizeof(s->key), "%.*s", (int)r->key.len, (const char *)r->key.data);
    assert_int_equal(activity_record_read(r->value, &s->record, NULL), STATUS_OK);
}

static enum status publish(struct event_sink *port, struct publication *pub)
{
    (void)port;
    pthread_mutex_lock(&sink.lock);
    enum status refuses = sink.refuses, reports = sink.reports;
    bool holds = sink.holds;
    sink.publications++;
    assert_null(sink.held); /* one at a time */
    if (refuses == STATUS_OK) {
        for (size_t i = 0; i < pub->records_len; i++)
            see(&pub->records[i]);
        if (holds)
            sink.held = publication_ref(pub);
    }
    pthread_mutex_unlock(&sink.lock);
    if (refuses == STATUS_OK && !holds)
        pub->on_done(pub, reports);
    return refuses;
}

static struct seen await(size_t len, size_t index)
{
    int64_t until = clock_mono_ms() + 10000;
    for (;;) {
        pthread_mutex_lock(&sink.lock);
        size_t have = sink.len;
        struct seen s = sink.seen[index];
        pthread_mutex_unlock(&sink.lock);
        assert_true(have <= len);
        if (have == len)
            return s;
        assert_true(clock_mono_ms() < until);
        poll(NULL, 0, 1);
    }
}

static void await_publications(size_t count)
{
    int64_t until = clock_mono_ms() + 10000;
    for (size_t have = 0; have < count;) {
        pthread_mutex_lock(&sink.lock);
        have = sink.publications;
        pthread_mutex_unlock(&sink.lock);
        assert_true(clock_mono_ms() < until);
        poll(NULL, 0, 1);
    }
}

static void note(const char *specification, int64_t at_unix_ms)
{
    const struct route route = {.specification = specification};
    activity_note(activity_writer_port(writer), &route, at_unix_ms);
}

static void start(int64_t interval_ms)
{
    memset(&sink, 0, sizeof(sink));
    pthread_mutex_init(&sink.lock, NULL);
    sink.port.publish = publish;
    const struct activity_writer_options opt = {.sink = &sink.port,
                                                .topic = "maesn.bridge.activity",
                                                .interval_ms = interval_ms,
                                                .turn_ms = 5};
    assert_int_equal(activity_writer_new(&opt, &writer), STATUS_OK);
}

static void stop(void)
{
    activity_writer_stop(writer);
    if (sink.held != NULL) { /* its report comes after the stop */
        sink.held->on_done(sink.held, STATUS_UNAVAILABLE);
        publication_unref(sink.held);
    }
    activity_writer_free(writer);
    pthread_mutex_destroy(&sink.lock);
}

static void the_first_callback_is_told_at_once_and_the_next_ones_together(void **state)
{
    (void)state;
    start(200);
    int64_t from = clock_mono_ms();
    note("maesn/acme-42/invoice/all", 1000);
    struct seen s = await(1, 0);
    assert_string_equal(s.key, "maesn/acme-42/invoice/all");
    assert_int_equal(s.record.callbacks, 1);
    note("maesn/acme-42/invoice/all", 3000);
    note("maesn/acme-42/invoice/all", 2000);
    s = await(2, 1);
    assert_true(clock_mono_ms() - from >= 200);
    assert_int_equal(s.record.first_at_unix_ms, 2000);
    assert_int_equal(s.record.last_at_unix_ms, 3000);
    assert_int_equal(s.record.callbacks, 2);
    stop();
}

static void each_subscription_has_a_record_of_its_own(void **state)
{
    (void)state;
    enum { COUNT = 2500 };
    start(60000);
    char specification[64];
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < COUNT; i++) {
            snprintf(specification, sizeof(specification), "maesn/a-%d/all/all", i);
            note(specification, 1 + i);
        }
    await(COUNT, 0);
    pthread_mutex_lock(&sink.lock);
    assert_true(sink.publications >= 3); /* of at most ACTIVITY_BATCH_MAX */
    pthread_mutex_unlock(&sink.lock);
    stop();
}

static void what_could_not_be_written_is_told_later(void **state)
{
    (void)state;
    for (int refused = 0; refused < 2; refused++) {
        start(50);
        sink.refuses = refused ? STATUS_UNAVAILABLE : STATUS_OK;
        sink.reports = STATUS_UNAVAILABLE;
        note("maesn/acme-42/all/all", 1000);
        await_publications(1);
        pthread_mutex_lock(&sink.lock);
        sink.refuses = sink.reports = STATUS_OK;
        sink.len = 0;
        pthread_mutex_unlock(&sink.lock);
        note("maesn/acme-42/all/all", 2000);
        struct seen s = await(1, 0);
        assert_int_equal(s.record.first_at_unix_ms, 1000);
        assert_int_equal(s.record.last_at_unix_ms, 2000);
        assert_int_equal(s.record.callbacks, 2);
        stop();
    }
}

static void a_silent_subscription_is_not_told_again(void **state)
{
    (void)state;
    start(20);
    note("maesn/silent/all/all", 1000);
    await(1, 0);
    for (int i = 2; i < 6; i++) { /* several intervals go by */
        note("maesn/lively/all/all", 1000 + i);
        assert_string_equal(await((size_t)i, (size_t)i - 1).key, "maesn/lively/all/all");
    }
    note("maesn/silent/all/all", 2000); /* forgotten, and new again */
    assert_int_equal(await(6, 5).record.first_at_unix_ms, 2000);
    stop();
}

static void a_report_that_does_not_come_holds_back_the_next_batch_only(void **state)
{
    (void)state;
    start(60000);
    sink.holds = true;
    note("maesn/acme-42/all/all", 1000);
    await(1, 0);
    for (int i = 0; i < 1000; i++)
        note("maesn/globex/all/all", 1000 + i); /* nobody waits */
    stop();
    assert_int_equal(sink.publications, 1);
}

/* --- many threads ---------------------------------------------------------------------------- */

static void *note_many(void *ctx)
{
    for (int i = 0; i < 2000; i++)
        note(i % 2 == 0 ? "maesn/shared/all/all" : ctx, 1000 + i);
    return NULL;
}

static void no_callback_is_forgotten_when_many_threads_note(void **state)
{
    (void)state;
    static char names[4][32] = {"maesn/a/all/all", "maesn/b/all/all", "maesn/c/all/all",
                                "maesn/d/all/all"};
    pthread_t threads[4];
    int64_t sum = 0;
    start(10);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, note_many, names[i]), 0);
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    int64_t until = clock_mono_ms() + 10000;
    while (sum < 8000) {
        assert_true(clock_mono_ms() < until);
        poll(NULL, 0, 5);
        sum = 0;
        pthread_mutex_lock(&sink.lock);
        for (size_t i = 0; i < sink.len; i++)
            sum += sink.seen[i].record.callbacks;
        pthread_mutex_unlock(&sink.lock);
    }
    assert_int_equal(sum, 8000);
    stop();
}

int main(void)
{
    record_form_start();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_callback_is_told_at_once_and_the_next_ones_together),
        cmocka_unit_test(each_subscription_has_a_record_of_its_own),
        cmocka_unit_test(what_could_not_be_written_is_told_later),
        cmocka_unit_test(a_silent_subscription_is_not_told_again),
        cmocka_unit_test(a_report_that_does_not_come_holds_back_the_next_batch_only),
        cmocka_unit_test(no_callback_is_forgotten_when_many_threads_note),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
